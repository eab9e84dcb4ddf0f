"""What stopped runs left below a working folder: for `ganpipe clean`."""

from __future__ import annotations

from pipeline.chain.publishing import Leftover, leftovers
from pipeline.workspace import Workspace


def find_leftovers(workspace: Workspace) -> list[Leftover]:
    """Lists the folders that runs left which were stopped or killed."""
    hidden = {path for draw in workspace.draws() for path in draw.rglob(".*.*") if path.is_dir()}
    places = {path.with_name(path.name.split(".")[1]) for path in hidden}
    return [leftover for place in sorted(places) for leftover in leftovers(place)]


def in_words(leftover: Leftover) -> str:
    """Says what it is."""
    made = leftover.fingerprint
    return f"unfinished {made.stage}, can be continued" if made else "of no use"
