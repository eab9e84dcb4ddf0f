"""The contact sheet: one HTML page with pictures of each class and of all that is odd. It needs no other "
"file."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import DataError, UsageError, writing_to
from pipeline.images.rejected import Rejected
from pipeline.inspecting.examine import CLASSES, Walk
from pipeline.inspecting.findings import SHOWN, Findings
from pipeline.inspecting.look import Seen, pixels_of
from pipeline.inspecting.pictures import data_uri, shrunk
from pipeline.inspecting.words import worries
from pipeline.reporting.templates import render
from pipeline.sources.source import Source
from ssgan_tf.whole_files import write_whole

TEMPLATE = "sheet.html"
MADE_HERE = "ganpipe inspect"


def check_page(page: Path) -> None:
    """Checks that a page may be written.

    Raises:
        UsageError: the file is there and is no such page.
        DataError: it cannot be read.
    """
    if not page.exists():
        return
    try:
        ours = page.is_file() and MADE_HERE.encode() in page.read_bytes()[:1000]
    except OSError as error:
        raise DataError(f"cannot read {str(page)!r}: {error.strerror}.") from None
    if not ours:
        raise UsageError(
            f"--html {str(page)!r} is there already, and is no contact sheet. Name another file."
        )


def write_sheet(
    page: Path,
    *,
    dataset: str,
    source: Source,
    walked: Walk,
    findings: Findings,
    background: int,
) -> None:
    """Writes the page, whole or not at all.

    Args:
        page: the file.
        dataset: what to call the data set.
        source: is read again for the pictures of what is odd.
        walked: has pictures of each class.
        findings: what is odd.
        background: level 0..255 behind transparent pixels.

    Raises:
        DataError: the folder cannot be written to.
    """
    names = source.class_names()

    def picture(seen: Seen) -> dict[str, str]:
        said = names[seen.label] if seen.label >= 0 else "no label"
        about = f"{seen.place}, {seen.split}, {said}, {seen.height} x {seen.width}"
        pixels = np.zeros((8, 8, 1), np.uint8)
        # gone since, or changed
        with suppress(Rejected, StopIteration, IndexError):
            pixels = pixels_of(next(source.read(seen.split, seen.position, seen.position + 1)), background)
        return {"uri": data_uri(shrunk(pixels)), "about": about}

    values: dict[str, Any] = {
        "dataset": dataset,
        "document": findings.document,
        "worries": worries(findings.document),
        "classes": _classes(names, walked),
        "more_classes": max(0, len(names) - CLASSES),
        "pairs": [[picture(one), picture(other)] for one, other in findings.pairs[:SHOWN]],
        "odd": {
            name: [picture(one) for one in found[:SHOWN]] for name, found in findings.odd.items() if found
        },
    }
    with writing_to(page.parent):
        page.parent.mkdir(parents=True, exist_ok=True)
        text = render(TEMPLATE, values, folder=Path(__file__).parent, count="{:,}".format)
        # a path may hold bytes that are no text
        write_whole(page, text.encode(errors="backslashreplace"))


def _classes(names: Sequence[str], walked: Walk) -> list[tuple[str, list[dict[str, str]]]]:
    rows = []
    for label in sorted(walked.pictures, key=lambda label: (label < 0, label)):
        pictures = [{"uri": data_uri(pixels), "about": place} for _, place, pixels in walked.pictures[label]]
        rows.append((names[label] if label >= 0 else "(no label)", pictures))
    return rows
