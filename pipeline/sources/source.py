"""The interface of a source: named splits of items that can be read by range, in any process.

A source is a small picklable value (it travels to Beam's workers), opens its files on first use and
never changes them. `pipeline.sources.catalog.open_source("idx:FOLDER", ...)` finds one by name.
"""

from __future__ import annotations

import abc
import functools
import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pipeline.sources.further_columns import FurtherColumns

MAX_CLASSES = 100_000
# what says which classes there are: the source itself, class folders, a label file, or the user's list
ITSELF, FOLDERS, LABEL_FILE, LISTED = "itself", "folders", "label file", "listed"


@dataclass(frozen=True)
class Aside:
    """Files of one kind that lie beside a source's items.

    Attributes:
        kind: what they are.
        advice: what to do about them if they are images; "" for files that are none.
        count: how many.
        first: the paths of the first few.
    """

    kind: str
    advice: str
    count: int
    first: tuple[str, ...]


@dataclass(frozen=True)
class Item:
    """One image as its source gives it.

    Attributes:
        place: where it lies in the source, for people: the relative path of a file, else `train[17]`.
        label: class index, or -1 where the source gives none.
        pixels: uint8 [h, w, c] for array sources, else None.
        encoded: the file's bytes for file sources, else None.
        problem: why the image cannot be had (then it has neither pixels nor bytes), else None.
    """

    place: str
    label: int
    pixels: np.ndarray | None = None
    encoded: bytes | None = None
    problem: str | None = None

    @functools.cached_property
    def checksum(self) -> str:
        """32 hex characters that tell a second reading of the same image from that of a changed one."""
        if self.pixels is not None:
            return pixel_digest(self.pixels)
        return hashlib.blake2b(self.encoded or b"", digest_size=16).hexdigest()


class Source(abc.ABC):
    """A data set to prepare.

    Attributes:
        name: what `--dataset` names, before the colon.
        labels_per_class: how many labels of each class are kept where the user does not say; None: all.
        lists_labels: whether `labels` knows them without reading images from a disk.
        classes_from: what says which classes there are: ITSELF, FOLDERS, LABEL_FILE or LISTED.
        passed_over: folder to its number of images, of folders that are none of the classes in the user's
            list: these images have no label.
        empty_folders: folders in which nothing lies, so that they are no classes.
    """

    name: ClassVar[str]
    labels_per_class: ClassVar[int | None] = None
    lists_labels: ClassVar[bool] = True

    @property
    def classes_from(self) -> str:
        """See above."""
        return ITSELF

    @property
    def passed_over(self) -> Mapping[str, int]:
        """See above."""
        return {}

    @property
    def empty_folders(self) -> tuple[str, ...]:
        """See above."""
        return ()

    @abc.abstractmethod
    def splits(self) -> dict[str, int]:
        """Number of items of each split.

        "train" is always there, "test", "validation" and "certify" only if they are the source's own.
        """

    @abc.abstractmethod
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, in the order of their indices."""

    @abc.abstractmethod
    def digest(self) -> str:
        """Hex digest of what the source holds; changes when an image, label or name changes."""

    @abc.abstractmethod
    def read(self, split: str, start: int, stop: int) -> Iterator[Item]:
        """Yields the items `start` to `stop` (exclusive) of a split, in the source's order.

        Raises:
            DataError: a file that lists or holds the items is missing or damaged.
        """

    def ways_to_label(self) -> list[str]:
        """How labels can be given to a source that has none, each way in one text; none by default."""
        return []

    def aside(self) -> tuple[Aside, ...] | None:
        """Returns the files that are no items, of a source that is a folder of files; else None."""
        return None

    def further_columns(self) -> tuple[FurtherColumns, Sequence[str]] | None:
        """Returns further columns of the label files and the places of their images, by number; else None."""
        return None

    def labels(self, split: str) -> Iterator[tuple[str, int]]:
        """Yields place and label (-1 where there is none) of every item of a split, in the source's order.

        A source that knows them without reading its images overrides this.

        Raises:
            DataError: a file that lists or holds the items is missing or damaged.
        """
        for item in self.read(split, 0, self.splits()[split]):
            yield item.place, item.label


def pixel_digest(pixels: np.ndarray) -> str:
    """Returns the 32 hex characters that identify uint8 [h, w, c] pixels, whatever file they came in."""
    digest = _begun(pixels.shape)
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def content_digest(pixels: np.ndarray) -> str:
    """Returns the 32 hex characters that identify a picture, whatever format it was stored in.

    Formats differ in what they spend on a picture: some store grey as three equal channels, some add
    alpha that hides nothing. Both are left out first.

    Args:
        pixels: decoded, uint8 [h, w, c] with c from 1 to 4.
    """
    return content_digests(pixels[None]).tobytes().hex()


def content_digests(images: np.ndarray) -> np.ndarray:
    """Returns what `content_digest` does of pictures of one shape.

    Args:
        images: decoded, uint8 [n, h, w, c] with c from 1 to 4.

    Returns:
        uint8 [n, 16].
    """
    channels = images.shape[3]
    less = np.zeros(len(images), np.bool_)
    if channels in (2, 4):
        less = (images[..., -1] == 255).all(axis=(1, 2))
    elif channels == 3:
        # most pictures of colour show it in one row
        less = (images[:, :1, :, :1] == images[:, :1, :, 1:]).all(axis=(1, 2, 3))
        grey = images[less]
        less[less] = (grey[..., :1] == grey[..., 1:]).all(axis=(1, 2, 3))
    found = np.empty((len(images), 16), np.uint8)
    if less.any():
        found[less] = content_digests(images[less][..., : 1 if channels == 3 else -1])
        images = images[~less]
    begun = _begun(images.shape[1:])
    digests = []
    for values in np.ascontiguousarray(images).reshape(len(images), math.prod(images.shape[1:])):
        digest = begun.copy()
        digest.update(values)
        digests.append(digest.digest())
    found[~less] = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 16)
    return found


def _begun(shape: tuple[int, ...]) -> Any:
    height, width, channels = shape
    return hashlib.blake2b(f"{height}x{width}x{channels}:".encode(), digest_size=16)


def class_order(names: Iterable[str]) -> tuple[str, ...]:
    """Sorts class names: as numbers if all are whole numbers ("2" before "10"), else as text."""
    distinct = set(names)
    if all(name.isascii() and name.isdigit() and len(name) < 10 for name in distinct):
        return tuple(sorted(distinct, key=lambda name: (int(name), name)))
    return tuple(sorted(distinct))
