"""The temperature that makes probabilities most likely, from labels that nothing else was chosen by."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

FEWEST_IMAGES = 50
LOWEST, HIGHEST = 0.05, 20.0


class Temperature(NamedTuple):
    """What the logits are divided by, its origin in words, and whether the images tested on gave it."""

    value: float
    origin: str
    from_folds: bool = False


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float | None:
    """The temperature with the smallest negative log-likelihood of the labels.

    Guo et al. 2017, "On Calibration of Modern Neural Networks", section 4.2. The likelihood has one minimum
    over the inverse temperature, in which it is convex.

    Args:
        logits: [N, K].
        labels: int [N].

    Returns:
        A value from 0.05 to 20; None where it cannot be told: with fewer than 50 images, or with no mistake
        among them, when the smaller is the better without end.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import logsumexp

    if len(labels) < FEWEST_IMAGES or not (logits.argmax(axis=1) != labels).any():
        return None
    logits = logits.astype(np.float64)
    true = logits[np.arange(len(labels)), labels]

    def loss(inverse: float) -> float:
        return float((logsumexp(inverse * logits, axis=1) - inverse * true).mean())

    found = minimize_scalar(loss, bounds=(1 / HIGHEST, 1 / LOWEST), method="bounded", options={"xatol": 1e-6})
    # five digits: what is written is what is used
    return float(f"{1 / found.x:.5g}") if math.isfinite(found.x) else None


def without_own_fold(logits: np.ndarray, labels: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """For each image the temperature that the other folds give, float [N]; 1 where they give none.

    With it the answers of cross-fitted models can be looked at after calibration: no image has a part in the
    temperature that its own answer gets.

    Args:
        logits: [N, K].
        labels: int [N].
        folds: which fold each was answered in, int [N].
    """
    values = np.ones(len(labels))
    for fold in np.unique(folds):
        here = folds == fold
        values[here] = fit_temperature(logits[~here], labels[~here]) or 1.0
    return values
