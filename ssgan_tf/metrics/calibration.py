"""How far probabilities can be believed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

RESAMPLES = 1000
SEED = 20_190


class ConfidenceBins(NamedTuple):
    """Bins of (0, 1]: images [bins], and sums of confidence and of right answers [bins]."""

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


def equal_mass_bins(confidence: np.ndarray, bins: int = 15) -> np.ndarray:
    """Which bin each confidence falls into, int [N]: bins of as equal numbers as ties allow.

    Args:
        confidence: [N].
        bins: how many at most.
    """
    edges = np.unique(np.quantile(confidence, np.linspace(0, 1, bins + 1)[1:-1]))
    return np.searchsorted(edges, confidence, side="right")


def equal_mass_sums(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> ConfidenceBins:
    """As `confidence_bins`, in bins of equal numbers of images.

    Args:
        probabilities: [N, K].
        labels: int [N].
        bins: how many at most.
    """
    confidence = probabilities.max(axis=1)
    which = equal_mass_bins(confidence, bins)
    hit = probabilities.argmax(axis=1) == labels
    return ConfidenceBins(
        np.bincount(which), np.bincount(which, weights=confidence), np.bincount(which, weights=hit)
    )


class CalibrationError(NamedTuple):
    """A root mean square distance between confidence and accuracy, in [0, 1], and its 95 % interval."""

    value: float
    interval: tuple[float, float]


def debiased_calibration_error(
    probabilities: np.ndarray, labels: np.ndarray, bins: int = 15, resamples: int = RESAMPLES
) -> CalibrationError:
    """How far confidence and accuracy lie apart, without what chance alone puts between them.

    The root of the debiased estimate of the squared calibration error over bins of equal numbers: of each
    bin's squared distance the variance of its accuracy is taken off (Kumar, Liang and Ma 2019, "Verified
    Uncertainty Calibration", section 5.1; Broecker 2012). The interval is a bootstrap's over images
    within the bins as they are, centred on the estimate: a resample has the sample's chance in it once more.

    Args:
        probabilities: [N, K].
        labels: int [N], N from 2.
        bins: how many at most.
        resamples: of the bootstrap.
    """
    confidence = probabilities.max(axis=1)
    hit = (probabilities.argmax(axis=1) == labels).astype(np.float64)
    which = equal_mass_bins(confidence, bins)
    squared = _debiased(which, confidence, hit, np.ones(len(hit)))
    generator = np.random.default_rng(SEED)
    drawn = np.array(
        [
            _debiased(which, confidence, hit, np.bincount(rows, minlength=len(hit)).astype(np.float64))
            for rows in (generator.integers(0, len(hit), len(hit)) for _ in range(resamples))
        ]
    )
    low, high = np.quantile(drawn - drawn.mean() + squared, [0.025, 0.975])
    value, low, high = np.sqrt(np.clip([squared, low, high], 0, 1))
    return CalibrationError(float(value), (float(min(low, value)), float(max(high, value))))


def _debiased(which: np.ndarray, confidence: np.ndarray, hit: np.ndarray, weight: np.ndarray) -> float:
    counts = np.bincount(which, weights=weight)
    # a bin of one image says nothing of its variance
    there = counts > 1
    counts = counts[there]
    mean = np.bincount(which, weights=weight * confidence)[there] / counts
    accuracy = np.bincount(which, weights=weight * hit)[there] / counts
    variance = accuracy * (1 - accuracy) / (counts - 1)
    return float((counts * ((mean - accuracy) ** 2 - variance)).sum() / max(counts.sum(), 1))


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
