"""What became of every file: read, skipped, of a format that is not read, or no image.

    account = account_of(findings, source.aside())
    account["files"] == account["read"] + the sums of its three lists

It holds names, so it stands in the provenance, which training does not open.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.errors import DataError
from pipeline.images.formats import NO_PICTURES
from pipeline.sources.source import Aside
from pipeline.stages.preprocess.findings import Findings

SHOWN = 5
LINES = 6
_NAMES = 3


def check_strict(aside: Sequence[Aside] | None) -> None:
    """Refuses images of a format that is not read, of which the scan sees none.

    Raises:
        DataError: names the first of them, and what to do.
    """
    for row in aside or ():
        if row.advice and row.kind not in NO_PICTURES:
            raise DataError(f"image {row.first[0]!r} cannot be used: {row.kind} is not read; {row.advice}.")


def account_of(findings: Findings, aside: Sequence[Aside] | None) -> dict[str, Any] | None:
    """Counts the files of a folder.

    Args:
        findings: of its images.
        aside: what is no item of the source; None where its items are no files of a folder.

    Returns:
        `files`, `read`, of these `with_label` and `without_label`, and three lists of `{"kind", "count",
        "first"}`: `skipped` (by reason), `not_supported` (also "advice") and `not_images`; None without a
        folder.
    """
    if aside is None:
        return None
    read = int(np.count_nonzero(findings.usable))
    with_label = int(np.count_nonzero(findings.usable & (findings.labels >= 0)))
    places: dict[str, list[str]] = {}
    for row in findings.rejected:
        places.setdefault(row.reason, []).append(row.place)
    skipped = [
        {"kind": reason, "count": len(found), "first": sorted(found)[:SHOWN]}
        for reason, found in sorted(places.items(), key=lambda item: (-len(item[1]), item[0]))
    ]
    beside = [
        {"kind": row.kind, "advice": row.advice, "count": row.count, "first": list(row.first)}
        for row in aside
    ]
    return {
        "files": len(findings.labels) + sum(row.count for row in aside),
        "read": read,
        "with_label": with_label,
        "without_label": read - with_label,
        "skipped": skipped,
        "not_supported": [row for row in beside if row["advice"]],
        "not_images": [
            {k: v for k, v in row.items() if k != "advice"} for row in beside if not row["advice"]
        ],
    }


def in_words(account: Mapping[str, Any]) -> list[str]:
    """Says an account in a few lines: the sums, then a line for each kind that is not read."""
    sums = {name: total(account[name]) for name in ("skipped", "not_supported", "not_images")}
    parts = [
        f"{account['read']:,} read ({account['with_label']:,} with a label, "
        f"{account['without_label']:,} without)",
        *(f"{count:,} {name.replace('_', ' ')}" for name, count in sums.items() if count),
    ]
    kinds = [f"{row['count']:,} skipped: {row['kind']} ({_names(row)})" for row in account["skipped"]]
    kinds += [
        f"{row['count']:,} {row['kind']}: {row['advice']} ({_names(row)})" for row in account["not_supported"]
    ]
    # a line that says that one more is left out could as well say which
    shown = len(kinds) if len(kinds) <= LINES + 1 else LINES
    lines = [f"of {account['files']:,} files: {', '.join(parts)}", *(f"  {line}" for line in kinds[:shown])]
    if len(kinds) > shown:
        lines.append(f"  and {len(kinds) - shown} more kinds")
    if account["not_images"]:
        found = ", ".join(f"{row['count']:,} {row['kind']}" for row in account["not_images"][:LINES])
        more = ", ..." if len(account["not_images"]) > LINES else ""
        lines.append(f"  not images: {found}{more}")
    return lines


def total(rows: Iterable[Mapping[str, Any]]) -> int:
    """Returns the number of files of all kinds in a list of an account."""
    return sum(row["count"] for row in rows)


def _names(row: Mapping[str, Any]) -> str:
    return ", ".join(row["first"][:_NAMES]) + (", ..." if row["count"] > _NAMES else "")
