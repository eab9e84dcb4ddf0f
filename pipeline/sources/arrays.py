"""Sources that fit into memory as arrays; each process loads them once."""

from __future__ import annotations

import abc
import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from pipeline.errors import DataError
from pipeline.sources.files import InputFile
from pipeline.sources.source import MAX_CLASSES, Item, Source

MAX_BYTES = 8 << 30
MAX_SIDE = 65_535
_BLOCK = 512


@dataclass(frozen=True)
class FileImages:
    """Images that stay in their file, where they lie one after the other, and are read some at a time.

    Attributes:
        file: which must stay as it is.
        offset: of the first image, in bytes.
        shape: (N, H, W, C).
    """

    file: InputFile
    offset: int
    shape: tuple[int, int, int, int]
    ndim: ClassVar[int] = 4
    dtype: ClassVar[np.dtype] = np.dtype(np.uint8)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, span: slice) -> np.ndarray:
        """Reads uint8 [n, H, W, C].

        Raises:
            DataError: the file changed or is gone.
        """
        start, stop, _ = span.indices(len(self))
        size = math.prod(self.shape[1:])
        with self.file.open() as file:
            file.seek(self.offset + start * size)
            values = file.read(max(0, stop - start) * size)
        return np.frombuffer(values, np.uint8).reshape(-1, *self.shape[1:])


class Arrays(NamedTuple):
    """Images uint8 [N, H, W, C] and labels int32 [N], -1 where there is none."""

    images: np.ndarray | FileImages
    labels: np.ndarray


@dataclass(frozen=True)
class ArraySource(Source):
    """A source whose splits are arrays. Subclasses are frozen, so that equal ones share what is loaded."""

    @abc.abstractmethod
    def load(self) -> dict[str, Arrays]:
        """Reads and checks the arrays of every split.

        Raises:
            DataError: a file is missing or damaged, or an array is not of the right shape or type.
        """

    def splits(self) -> dict[str, int]:
        """Number of images of each split."""
        return {split: len(arrays.images) for split, arrays in _loaded(self).items()}

    def class_names(self) -> tuple[str, ...]:
        """The class indices as text, from 0 to the largest label."""
        largest = max((int(a.labels.max(initial=-1)) for a in _loaded(self).values()), default=-1)
        return tuple(str(index) for index in range(largest + 1))

    def read(self, split: str, start: int, stop: int) -> Iterator[Item]:
        """Yields the images of a range; their place is their index."""
        images, labels = _loaded(self)[split]
        stop = min(stop, len(images))
        for first in range(start, stop, _BLOCK):
            for index, pixels in enumerate(images[first : min(first + _BLOCK, stop)], first):
                yield Item(f"{split}[{index}]", int(labels[index]), pixels=pixels)


@functools.lru_cache(maxsize=1)
def _loaded(source: ArraySource) -> dict[str, Arrays]:
    return source.load()


def checked_arrays(images: np.ndarray | FileImages, labels: np.ndarray | None, *, place: str) -> Arrays:
    """Checks one split's arrays and brings them to their form.

    Args:
        images: uint8 [N, H, W] or [N, H, W, C] with C from 1 to 4.
        labels: integers [N] or [N, 1], from 0, -1 for unlabelled; None: all unlabelled.
        place: what to call them in messages.

    Raises:
        DataError: shape, type or range is wrong.
    """
    if images.dtype != np.uint8 or images.ndim not in (3, 4):
        raise DataError(
            f"{place}: images must be uint8 of shape [N, H, W] or [N, H, W, C]; "
            f"got {images.dtype} of shape {list(images.shape)}."
        )
    if isinstance(images, np.ndarray) and images.ndim == 3:
        images = images[..., None]
    if not 1 <= images.shape[-1] <= 4 or 0 in images.shape[1:]:
        raise DataError(
            f"{place}: images must have a height, a width and 1 to 4 channels; "
            f"got shape {list(images.shape)}."
        )
    if labels is None:
        return Arrays(images, np.full(len(images), -1, np.int32))
    if labels.shape == (len(images), 1):
        labels = labels[:, 0]
    if labels.shape != (len(images),) or labels.dtype.kind not in "iu":
        raise DataError(
            f"{place}: labels must be whole numbers of shape [{len(images)}], one for each image; "
            f"got {labels.dtype} of shape {list(labels.shape)}."
        )
    if len(labels):
        low, high = int(labels.min()), int(labels.max())
        if low < -1 or high >= MAX_CLASSES:
            wrong = low if low < -1 else high
            raise DataError(
                f"{place}: labels must be class indices from 0 to {MAX_CLASSES - 1}, or -1 for unlabelled; "
                f"got {wrong}."
            )
    return Arrays(images, labels.astype(np.int32))
