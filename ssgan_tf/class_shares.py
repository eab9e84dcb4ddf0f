"""The classes' shares as a setting: even ones, those of the labels or of the guesses, numbers, or none."""

from __future__ import annotations

import numpy as np

from ssgan_tf.declare import Rule

ESTIMATED, UNIFORM, LABELLED, NONE = "estimated", "uniform", "labelled", "none"


def shares_of(prior: str) -> tuple[float, ...] | None:
    """The numbers that a prior lists, scaled to a sum of 1; None where it lists none.

    Raises:
        ValueError: an entry is no number above 0.
    """
    if prior in (ESTIMATED, UNIFORM, LABELLED, NONE):
        return None
    numbers = [float(part) for part in prior.split(",")]
    if len(numbers) < 2 or not all(0.0 < number < float("inf") for number in numbers):
        raise ValueError("shares are numbers above 0")
    return tuple(number / sum(numbers) for number in numbers)


def labelled_shares(labels: np.ndarray, classes: int) -> np.ndarray:
    """Shares of the classes among labels.

    Args:
        labels: int [N], -1 where there is none.
        classes: K.

    Returns:
        float64 [K], which sum to 1; zeros where there is no label.
    """
    return np.bincount(labels[labels >= 0], minlength=classes) / max(1, (labels >= 0).sum())


def shares_to_guess(prior: str, labels: np.ndarray, classes: int) -> np.ndarray | None:
    """The shares that a prior other than `none` gives to guesses.

    Args:
        prior: the setting.
        labels: int [N], -1 where there is none.
        classes: K.

    Returns:
        float64 [K], which sum to 1; None: they are to be estimated.
    """
    numbers = shares_of(prior)
    if numbers is not None:
        return np.array(numbers)
    if prior == LABELLED:
        return labelled_shares(labels, classes)
    return None if prior == ESTIMATED else np.full(classes, 1.0 / classes)


def _is_prior(value: str) -> bool:
    try:
        shares_of(value)
    except ValueError:
        return False
    return True


PRIOR = Rule(
    f"{ESTIMATED}, {UNIFORM}, {LABELLED}, {NONE}, or a number above 0 for each class, with commas between "
    "them",
    _is_prior,
)
