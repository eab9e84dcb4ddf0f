"""Brightness and contrast of one picture, for the statistics of a whole data set."""

from __future__ import annotations

import math

import numpy as np


def brightness_and_contrast(pixels: np.ndarray) -> tuple[int, int]:
    """Returns the mean and the standard deviation of a picture's values, rounded.

    Args:
        pixels: uint8 [h, w, c] with c from 1 to 4; alpha counts as a channel.

    Returns:
        (0..255, 0..128).
    """
    values = pixels.ravel()
    if not len(values):
        return 0, 0
    # whole numbers: a picture has the same figures whatever library added them up
    total = int(values.sum(dtype=np.int64))
    squares = int(np.square(values, dtype=np.uint32).sum(dtype=np.int64))
    count = len(values)
    return round(total / count), round(math.sqrt(max(count * squares - total * total, 0)) / count)
