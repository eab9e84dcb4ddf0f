"""One process at work on a benchmark: it takes the next cell that nobody else has, until all are there."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pipeline.errors import TrainingDiverged

POLL = 1.0
"""Seconds between two looks at what others have finished."""


class Job(Protocol):
    """What is worked on: a cell with its plan."""

    @property
    def cell(self) -> Any:
        """Which."""

    def finished(self) -> Mapping[str, Any] | None:
        """What came of it; None as long as there is nothing."""

    def run(self) -> bool:
        """Makes it, unless somebody else does; returns whether it did."""


@dataclass
class Board:
    """Which cells are there; tells each that is new.

    Attributes:
        jobs: all cells.
        tell: is called with a cell's job, what came of it, and all results in the order of their coming.
        results: cell to what came of it.
    """

    jobs: Sequence[Job]
    tell: Callable[[Job, Mapping[str, Any], Mapping[Any, Mapping[str, Any]]], None] | None = None
    results: dict[Any, Mapping[str, Any]] = field(default_factory=dict)

    def look(self, quietly: bool = False) -> list[Job]:
        """Looks at the cells that were not there yet; returns those that still are not."""
        missing = []
        for job in self.jobs:
            if job.cell in self.results:
                continue
            if (found := job.finished()) is None:
                missing.append(job)
                continue
            self.results[job.cell] = found
            if self.tell and not quietly:
                self.tell(job, found, self.results)
        return missing


def work(board: Board, *, poll: float = POLL) -> None:
    """Works until every cell is there, whoever made it.

    A cell whose training diverges is passed over; the others are made all the same.

    Args:
        board: of the cells.
        poll: seconds to wait where others have all that is left.

    Raises:
        TrainingDiverged: of the first such cell, after all others.
        GanpipeError: what else a cell raises, at once.
    """
    diverged: dict[Any, TrainingDiverged] = {}
    while missing := [job for job in board.look() if job.cell not in diverged]:
        for job in missing:
            try:
                if job.run():
                    break
            except TrainingDiverged as error:
                diverged[job.cell] = error
                break
        else:
            time.sleep(poll)
    for cell, first in diverged.items():
        raise TrainingDiverged(f"{cell.name}: {first} The other cells are there.") from first
