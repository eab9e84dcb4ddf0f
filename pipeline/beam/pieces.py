"""Pieces: the elements of the Beam passes, each a range of one split of the source."""

from __future__ import annotations

from typing import NamedTuple


class Piece(NamedTuple):
    """Items `start` to `stop` (exclusive) of a split, the piece `number` of `of` of that split."""

    split: str
    number: int
    of: int
    start: int
    stop: int

    @property
    def stem(self) -> str:
        """Name of the files that hold what is known about this piece."""
        return f"{self.split}-{self.number:05d}"


def cut(split: str, size: int, count: int) -> list[Piece]:
    """Cuts a split of `size` items into `count` contiguous pieces of nearly equal size, none empty."""
    count = max(1, min(count, size))
    bounds = [size * index // count for index in range(count + 1)]
    return [Piece(split, index, count, bounds[index], bounds[index + 1]) for index in range(count)]


def cut_for_reading(split: str, size: int) -> list[Piece]:
    """Cuts a split into pieces of 256 to 4,096 items: enough of them to share out and to show progress.

    Of a very large split they are larger, so that there are at most 256: files of all of them are open at
    once when the records are put in order.
    """
    length = max(-(-size // 256), min(4096, max(256, -(-size // 16))))
    return cut(split, size, -(-size // length))
