"""Brightness and contrast of one picture, for the statistics of a whole data set."""

from __future__ import annotations

import math

import numpy as np

BLOCK = 1 << 18


def brightness_and_contrast(pixels: np.ndarray) -> tuple[int, int]:
    """Returns the mean and the standard deviation of a picture's values, rounded.

    Args:
        pixels: uint8 [h, w, c] with c from 1 to 4; alpha counts as a channel.

    Returns:
        (0..255, 0..128).
    """
    values = pixels.ravel()
    count = len(values)
    total = squares = 0
    for start in range(0, count, BLOCK):
        # whole numbers below 2 ** 53 are exact in float64: in whatever order they are added
        part = values[start : start + BLOCK].astype(np.float64)
        total += int(part.sum())
        squares += int(part @ part)
    if not count:
        return 0, 0
    return round(total / count), round(math.sqrt(count * squares - total * total) / count)
