"""Which images of a source are looked at: all, or of a large one blocks that are spread evenly over it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

BLOCK = 64


def ranges(splits: Mapping[str, int], most: int) -> Iterator[tuple[str, int, int]]:
    """Yields (split, start, stop) of the images to look at.

    A source is read best in its own order, and it may be sorted by class: so blocks of 64 neighbours are
    taken at even distances, of each split as large a share as of the others, and at least one.

    Args:
        splits: number of images of each.
        most: how many images in all; a block more a split at most.
    """
    total = sum(splits.values())
    for split, size in splits.items():
        if total <= most:
            if size:
                yield split, 0, size
            continue
        blocks = -(-size // BLOCK)
        wanted = min(blocks, max(1, most * size // total // BLOCK))
        for number in range(wanted if size else 0):
            start = BLOCK * (blocks * number // wanted)
            yield split, start, min(start + BLOCK, size)
