"""What a split holds, by content: digests that tell whether an image stands in two splits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import DataError
from pipeline.sources.source import pixel_digest

if TYPE_CHECKING:
    from ssgan_tf.records import DatasetInfo, Split

BLOCK = 512
_DIGEST = "S32"


@dataclass(frozen=True)
class Contents:
    """Of each record of a split.

    Attributes:
        digests: of the record's pixels, ASCII in bytes [N]: a quarter of what text takes.
        labels: int32 [N], -1 where unlabelled.
        sources: as `digests`, of the pixels that the source gave, before they came to the record's size.
    """

    digests: np.ndarray
    labels: np.ndarray
    sources: np.ndarray

    @classmethod
    def of(cls, parts: Iterable[Split]) -> Contents:
        """Digests images block by block."""
        digests, labels, sources = [np.empty(0, _DIGEST)], [np.empty(0, np.int32)], [np.empty(0, _DIGEST)]
        for part in parts:
            digests.append(np.array(list(map(pixel_digest, part.images)), _DIGEST))
            labels.append(part.labels)
            sources.append(sources_in(part.keys))
        return cls(*map(np.concatenate, (digests, labels, sources)))


def sources_in(keys: Iterable[str]) -> np.ndarray:
    """Returns the digests of the source's pixels that some keys hold, as `Contents.sources`."""
    # a key is that digest, with a number behind a dot for copies
    return np.array([key.partition(".")[0] for key in keys], _DIGEST)


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


def read_labels(info: DatasetInfo, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Reads labels int32 [N] and `Contents.sources` of a split, without decoding its images."""
    from ssgan_tf.records import iterate_labels

    count = info.splits[split]["count"]
    labels, sources = np.empty(count, np.int32), np.empty(count, _DIGEST)
    for at, (key, label, _) in enumerate(iterate_labels(info, split)):
        labels[at], sources[at] = label, key.partition(".")[0].encode()
    return labels, sources


def read_rows(info: DatasetInfo, split: str, rows: np.ndarray) -> Iterator[np.ndarray]:
    """Yields the images uint8 [n, H, W, C] at some rows of a split, which ascend, some at a time.

    Raises:
        DataError: a shard is missing or damaged.
    """
    from ssgan_tf.records import iterate_split

    start = 0
    for part in iterate_split(info, split, BLOCK):
        low, high = np.searchsorted(rows, (start, start + len(part.images)))
        if high > low:
            yield part.images[rows[low:high] - start]
        start += len(part.images)
        if high == len(rows):
            return


def select(info: DatasetInfo, split: str, positions: np.ndarray) -> np.ndarray:
    """Reads the images at some positions of a split, in that order, at most 32 pixels a side.

    Raises:
        DataError: a shard is missing or damaged.
    """
    from ssgan_tf.metrics.judge import reduced

    wanted = np.unique(positions)
    images = np.concatenate([reduced(part) for part in read_rows(info, split, wanted)])
    return images[np.searchsorted(wanted, positions)]
