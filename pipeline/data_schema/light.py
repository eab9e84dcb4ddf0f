"""Brightness and contrast of pictures, for the statistics of a whole data set."""

from __future__ import annotations

import math

import numpy as np

# what is computed with at a time stays in the processor's cache
BLOCK = 1 << 16


def brightness_and_contrast(images: np.ndarray) -> tuple[list[int], list[int]]:
    """Returns the mean and the standard deviation of each picture's values, rounded.

    Args:
        images: uint8 [n, h, w, c] with c from 1 to 4; alpha counts as a channel.

    Returns:
        0..255 [n] and 0..128 [n].
    """
    count = math.prod(images.shape[1:])
    values = images.reshape(len(images), count)
    totals, squares = (np.zeros(len(images), np.int64) for _ in range(2))
    together = max(1, BLOCK // max(1, count))
    for first in range(0, len(images), together):
        rows = slice(first, first + together)
        for start in range(0, count, BLOCK):
            # whole numbers below 2 ** 53 are exact in float64: in whatever order they are added
            part = values[rows, start : start + BLOCK].astype(np.float64)
            totals[rows] += part.sum(axis=1).astype(np.int64)
            squares[rows] += np.einsum("ij,ij->i", part, part).astype(np.int64)
    return [round(total / max(1, count)) for total in totals.tolist()], [
        round(math.sqrt(count * square - total * total) / max(1, count))
        for total, square in zip(totals.tolist(), squares.tolist(), strict=True)
    ]
