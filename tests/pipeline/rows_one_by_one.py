"""Findings of a scan out of rows that a test writes down one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from pipeline.stages.preprocess.findings import FOUND, Findings, Rejected


class Row(NamedTuple):
    """One item: its digest, place, label and, where it cannot be used, why."""

    digest: str
    place: str
    label: int
    reason: str = ""
    height: int = 4
    width: int = 4
    channels: int = 1


def findings_of(scanned: Mapping[str, Sequence[Row]]) -> Findings:
    """What the first pass would have found."""
    found = Findings.empty({split: len(rows) for split, rows in scanned.items()})
    for split, span in found.splits.items():
        rows = scanned[split]
        table = np.zeros(len(rows), FOUND)
        for at, row in enumerate(rows):
            table["label"][at] = row.label
            if row.reason:
                found.rejected.append(Rejected(span.start + at, row.place, row.reason))
                continue
            table["digest"][at] = np.frombuffer(bytes.fromhex(row.digest), np.uint8)
            table["usable"][at] = True
            for name in ("height", "width", "channels"):
                table[name][at] = getattr(row, name)
        found.put(span.start, table, lambda rows=rows: [row.place for row in rows])
    return found
