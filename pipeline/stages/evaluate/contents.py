"""What a split holds, by content: digests that tell whether an image stands in two splits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import DataError
from pipeline.sources.source import pixel_digest

if TYPE_CHECKING:
    from ssgan_tf.records import DatasetInfo, Split

BLOCK = 512


@dataclass(frozen=True)
class Contents:
    """Of each record of a split.

    Attributes:
        digests: of the record's pixels, text [N].
        labels: int32 [N], -1 where unlabelled.
        sources: of the pixels that the source gave, before they were brought to the record's size, text [N].
    """

    digests: np.ndarray
    labels: np.ndarray
    sources: np.ndarray

    @classmethod
    def of(cls, parts: Iterable[Split]) -> Contents:
        """Digests images block by block."""
        digests: list[str] = []
        labels, sources = [np.empty(0, np.int32)], []
        for part in parts:
            digests += map(pixel_digest, part.images)
            labels.append(part.labels)
            # a key is the digest of the source's pixels, with a number behind a dot for copies
            sources += [key.partition(".")[0] for key in part.keys]
        return cls(np.array(digests, "U32"), np.concatenate(labels), np.array(sources, "U"))


def read_contents(info: DatasetInfo, split: str) -> Contents:
    """Reads a split without holding its images.

    Raises:
        DataError: a shard is missing or damaged.
    """
    from ssgan_tf.records import iterate_split

    return Contents.of(iterate_split(info, split, BLOCK))


def count_alike(held_out: Contents, training: Contents, split: str) -> int:
    """Checks that no held-out image is in the training split too.

    Returns:
        How many are not, but look the same as a training image at the records' size.

    Raises:
        DataError: some are; says how many.
    """
    common = int(np.isin(held_out.sources, training.sources).sum())
    if common:
        raise DataError(
            f"{common} of {len(held_out.digests)} images of split {split!r} are in the training split too, "
            "pixel by pixel: the figures would be better than the truth. Take the copies out of the data "
            "set and run `ganpipe preprocess` and `ganpipe train` again."
        )
    return int(np.isin(held_out.digests, training.digests).sum())


def select(info: DatasetInfo, split: str, positions: np.ndarray) -> np.ndarray:
    """Reads the images at some positions of a split, in that order, at most 32 pixels a side.

    Raises:
        DataError: a shard is missing or damaged.
    """
    from ssgan_tf.metrics.judge import reduced
    from ssgan_tf.records import iterate_split

    wanted = np.sort(positions)
    parts, start = [], 0
    for part in iterate_split(info, split, BLOCK):
        low, high = np.searchsorted(wanted, (start, start + len(part.images)))
        if high > low:
            parts.append(reduced(part.images[wanted[low:high] - start]))
        start += len(part.images)
    images = np.concatenate(parts)
    return images[np.searchsorted(wanted, positions)]
