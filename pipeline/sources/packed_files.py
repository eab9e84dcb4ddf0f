"""The image files of a split with their labels, packed: there may be millions, and they travel to workers."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from pipeline.sources.image_tree import ImageFile


@dataclass(frozen=True)
class PackedFiles:
    """Files and the labels of their images: of each its path's bytes and twelve more are held.

    Attributes:
        paths: of all, one after the other.
        ends: where each path ends.
        labels: class indices, -1 where there is none.
        special: by their number, the files of which more than the path is known.
    """

    paths: bytes
    ends: array[int]
    labels: array[int]
    special: dict[int, ImageFile]

    @classmethod
    def of(cls, files: Iterable[tuple[ImageFile, int]]) -> PackedFiles:
        """Packs files with their labels."""
        paths, ends, labels = bytearray(), array("q", [0]), array("i")
        special = {}
        for number, (file, label) in enumerate(files):
            paths += file.path.encode()
            ends.append(len(paths))
            labels.append(label)
            if file != ImageFile(file.path):
                special[number] = file
        return cls(bytes(paths), ends, labels, special)

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[tuple[ImageFile, int]]:
        return self.span(0, len(self))

    def span(self, start: int, stop: int) -> Iterator[tuple[ImageFile, int]]:
        """Yields the files `start` to `stop` (exclusive) and their labels."""
        stop = min(stop, len(self))
        bounds = pairwise(self.ends[start : stop + 1])
        for number, (label, (first, last)) in enumerate(
            zip(self.labels[start:stop], bounds, strict=True), start
        ):
            if (file := self.special.get(number)) is None:
                file = ImageFile(self.paths[first:last].decode())
            yield file, label
