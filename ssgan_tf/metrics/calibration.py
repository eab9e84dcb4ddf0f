"""How far probabilities can be believed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class ConfidenceBins(NamedTuple):
    """Equal-width bins of (0, 1]: images [bins], and sums of confidence and of right answers [bins]."""

    counts: np.ndarray
    confidences: np.ndarray
    hits: np.ndarray


def brier_score(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Mean over images of the squared distance to the one-hot label, in [0, 2] (Brier 1950).

    Args:
        probabilities: [N, K].
        labels: int [N].
    """
    one_hot = np.eye(probabilities.shape[1])[labels]
    return float(((probabilities - one_hot) ** 2).sum(axis=1).mean())


def confidence_bins(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> ConfidenceBins:
    """Puts images into bins by the largest probability.

    Args:
        probabilities: [N, K].
        labels: int [N].
        bins: number of bins of (0, 1].
    """
    confidence = probabilities.max(axis=1)
    hit = probabilities.argmax(axis=1) == labels
    which = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    return ConfidenceBins(
        np.bincount(which, minlength=bins),
        np.bincount(which, weights=confidence, minlength=bins),
        np.bincount(which, weights=hit, minlength=bins),
    )


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
    binned = confidence_bins(probabilities, labels, bins)
    return float(np.abs(binned.hits - binned.confidences).sum() / binned.counts.sum())


def risk_coverage(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What a classifier that abstains below a threshold answers, and how often it errs in that.

    Geifman and El-Yaniv 2017, "Selective Classification for Deep Neural Networks", section 2, with the
    largest probability as the measure of confidence.

    Args:
        probabilities: [N, K], N from 1.
        labels: int [N].

    Returns:
        Thresholds, falling, one for each confidence that occurs, M in all; the share of images with at
        least that confidence, float [M], rising to 1; and the share of them answered wrongly, float [M].
    """
    confidence = probabilities.max(axis=1)
    wrong = probabilities.argmax(axis=1) != labels
    thresholds, group = np.unique(-confidence, return_inverse=True)
    answered = np.cumsum(np.bincount(group))
    mistakes = np.cumsum(np.bincount(group, weights=wrong))
    return -thresholds, answered / len(labels), mistakes / answered
