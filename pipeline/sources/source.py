"""The interface of a source: named splits of items that can be read by range, in any process.

A source is a small picklable value (it travels to Beam's workers), opens its files on first use and
never changes them. `pipeline.sources.catalog.open_source("idx:FOLDER", ...)` finds one by name.
"""

from __future__ import annotations

import abc
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np


@dataclass(frozen=True)
class Item:
    """One image as its source gives it.

    Attributes:
        digest: 32 hex characters: of the pixels for array sources, of the file's bytes for files.
        key: stable id: the digest for array sources, the relative path for files.
        label: class index, or -1 where the source gives none.
        pixels: uint8 [h, w, c] for array sources, else None.
        encoded: the file's bytes for file sources, else None.
    """

    digest: str
    key: str
    label: int
    pixels: np.ndarray | None = None
    encoded: bytes | None = None


class Source(abc.ABC):
    """A data set to prepare.

    Attributes:
        name: what `--dataset` names, before the colon.
    """

    name: ClassVar[str]

    @abc.abstractmethod
    def splits(self) -> dict[str, int]:
        """Number of items of each split; "train" is always there, "test" only if it is the source's own."""

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
