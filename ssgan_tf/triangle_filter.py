"""Resizing as two matrix products. No TensorFlow here: what runs without it resizes with the same numbers."""

from __future__ import annotations

import functools

import numpy as np


@functools.lru_cache(256)
def resize_weights(source: int, target: int) -> np.ndarray:
    """Weights of the antialiased triangle filter, as in `tf.image.resize(antialias=True)`.

    Args:
        source: pixels of a side, from 1.
        target: pixels that they become, from 1; where there are fewer the filter widens to take all in.

    Returns:
        float32 [target, source]; each row sums to 1.
    """
    scale = target / source
    support = max(1.0, 1.0 / scale)
    centres = (np.arange(target) + 0.5) / scale
    distances = np.abs(np.arange(source) + 0.5 - centres[:, np.newaxis])
    weights = np.maximum(0.0, 1.0 - distances / support)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
