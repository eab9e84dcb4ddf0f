"""How far probabilities can be believed."""

from __future__ import annotations

import numpy as np


def brier_score(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Mean over images of the squared distance to the one-hot label, in [0, 2] (Brier 1950).

    Args:
        probabilities: [N, K].
        labels: int [N].
    """
    one_hot = np.eye(probabilities.shape[1])[labels]
    return float(((probabilities - one_hot) ** 2).sum(axis=1).mean())


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> float:
    """Mean |accuracy - confidence| over equal-width confidence bins, weighted by their counts.

    Guo et al. 2017, "On Calibration of Modern Neural Networks", equation 3.

    Args:
        probabilities: [N, K].
        labels: int [N].
        bins: number of bins of (0, 1].

    Returns:
        A value in [0, 1].
    """
    confidence = probabilities.max(axis=1)
    hit = probabilities.argmax(axis=1) == labels
    which = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    counts = np.bincount(which, minlength=bins)
    confidences = np.bincount(which, weights=confidence, minlength=bins)
    hits = np.bincount(which, weights=hit, minlength=bins)
    return float(np.abs(hits - confidences).sum() / counts.sum())
