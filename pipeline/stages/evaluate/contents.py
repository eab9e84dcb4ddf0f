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
    """Of each record of a split: digest of its pixels [N], and label int32 [N] (-1 unlabelled)."""

    digests: np.ndarray
    labels: np.ndarray

    @classmethod
    def of(cls, parts: Iterable[Split]) -> Contents:
        """Digests images block by block."""
        digests: list[str] = []
        labels = [np.empty(0, np.int32)]
        for part in parts:
            digests += map(pixel_digest, part.images)
            labels.append(part.labels)
        return cls(np.array(digests, "U32"), np.concatenate(labels))


def read_contents(info: DatasetInfo, split: str) -> Contents:
    """Reads a split without holding its images.

    Raises:
        DataError: a shard is missing or damaged.
    """
    from ssgan_tf.records import iterate_split

    return Contents.of(iterate_split(info, split, BLOCK))


def refuse_overlap(held_out: Contents, training: Contents, split: str) -> None:
    """Checks that no held-out image is in the training split too.

    Raises:
        DataError: some are; says how many.
    """
    common = int(np.isin(held_out.digests, training.digests).sum())
    if common:
        raise DataError(
            f"{common} of {len(held_out.digests)} images of split {split!r} are in the training split too, "
            "pixel by pixel: the figures would be better than the truth. Take the copies out of the data "
            "set (or choose a larger --image-size, if it made different images the same) and run "
            "`ganpipe preprocess` and `ganpipe train` again."
        )


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
