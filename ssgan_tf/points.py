"""Points of the plane as record images, and the Gaussian distribution of the `gaussian` recipe.

A point is two float32; a record image holds uint8 pixels. A point's record is an image of 1x8 grey pixels
whose values are the eight bytes of its two coordinates (little-endian): nothing is rounded, and points
pass through the same records, streams and stages as images do. Such an image is not meant to be seen.
"""

from __future__ import annotations

import numpy as np

POINT_SHAPE = (1, 8, 1)

# a point is X A + b with X ~ N(0, I): its mean is b and its covariance the transpose of A times A
MIXING = np.array([[1.0, 2.0], [-0.1, 0.5]])
OFFSET = np.array([1.0, 2.0])


def true_mean() -> np.ndarray:
    """Mean of the distribution, float64 [2]."""
    return OFFSET.copy()


def true_covariance() -> np.ndarray:
    """Covariance of the distribution, float64 [2, 2]."""
    return MIXING.T @ MIXING


def draw_points(count: int, seed: int, part: int = 0) -> np.ndarray:
    """Draws float32 [count, 2] points, a function of the arguments alone.

    Args:
        count: how many.
        seed: from 0.
        part: another number gives other points of the same seed.
    """
    standard = np.random.default_rng((seed, part)).standard_normal((count, 2))
    return (standard @ MIXING + OFFSET).astype(np.float32)


def to_records(points: np.ndarray) -> np.ndarray:
    """Turns float32 [N, 2] points into record images uint8 [N, 1, 8, 1]."""
    return np.ascontiguousarray(points, dtype="<f4").view(np.uint8).reshape(-1, *POINT_SHAPE)


def from_records(images: np.ndarray) -> np.ndarray:
    """Turns record images uint8 [N, 1, 8, 1] back into float32 [N, 2] points."""
    return np.ascontiguousarray(images, dtype=np.uint8).reshape(-1, 8).view("<f4").astype(np.float32)
