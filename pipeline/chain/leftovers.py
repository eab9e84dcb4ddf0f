"""What stopped runs left below a working folder: for `ganpipe clean`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.chain.publishing import leftovers, remove_leftover
from pipeline.workspace import Workspace


@dataclass(frozen=True)
class Found:
    """A hidden folder beside a result's place.

    Attributes:
        place: of the result.
        path: the hidden folder.
        bytes: all of its files together.
        words: what it is.
    """

    place: Path
    path: Path
    bytes: int
    words: str


def find_leftovers(workspace: Workspace) -> list[Found]:
    """Lists the folders that runs left which were stopped or killed."""
    hidden = {path for draw in workspace.draws() for path in draw.rglob(".*.*") if path.is_dir()}
    places = {path.with_name(path.name.split(".")[1]) for path in hidden}
    found = []
    for place in sorted(places):
        for leftover in leftovers(place):
            made = leftover.fingerprint
            words = f"unfinished {made.stage}, can be continued" if made else "of no use"
            found.append(Found(place, leftover.path, leftover.bytes, words))
    return found


def remove_leftovers(found: Sequence[Found]) -> None:
    """Removes them.

    Raises:
        DataError: a run is writing there now.
    """
    for item in found:
        remove_leftover(item.place, item.path)
