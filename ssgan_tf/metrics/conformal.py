"""Split conformal prediction: sets of labels that hold the true one with a given probability.

    lows = label_thresholds(probabilities, labels, alpha=0.05)
    remain = labels_that_remain(other_probabilities, lows.lows)

For images that are exchangeable with those set aside, the set holds the true label with a probability of at
least 1 - alpha (Vovk, Gammerman and Shafer 2005; the score 1 - p(label) is that of Sadinle, Lei and Wasserman
2019, "Least Ambiguous Set-Valued Classifiers with Bounded Error Levels"). With a threshold for each class
this holds among the images of each class (Vovk 2012, "Conditional validity of inductive conformal
predictors").
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class LabelThresholds:
    """Which labels remain: those whose probability reaches their threshold.

    Attributes:
        alpha: the true label is missing with this probability at most.
        lows: a threshold for each class; () where there were too few labels.
        by_class: whether 1 - alpha holds within each class, not only over all images.
        checked: labelled images that they were made from.
        sentence: in words what holds, or why there is none.
    """

    alpha: float
    lows: tuple[float, ...]
    by_class: bool
    checked: int
    sentence: str


def fewest_images(alpha: float) -> int:
    """The fewest images that a threshold can be made from: n with (n + 1) (1 - alpha) <= n."""
    return math.ceil(round((1 - alpha) / alpha, 9))


def label_thresholds(probabilities: np.ndarray, labels: np.ndarray, alpha: float) -> LabelThresholds:
    """Makes the thresholds, one for each class where each has labels enough, else one for all.

    Args:
        probabilities: of images set aside [N, K].
        labels: int [N].
        alpha: in (0, 1).
    """
    count, classes = probabilities.shape
    true = probabilities[np.arange(count), labels]
    sizes, fewest = np.bincount(labels, minlength=classes), fewest_images(alpha)
    share = f"{100 * (1 - alpha):.6g} %"
    if count < fewest:
        sentence = (
            f"No sets of labels that hold the true one for {share} of images: they take at least {fewest:,} "
            f"labelled images set aside, and there are {count:,}."
        )
        return LabelThresholds(alpha, (), False, count, sentence)
    by_class = bool(sizes.min() >= fewest)
    if by_class:
        lows = tuple(_low(true[labels == label], alpha) for label in range(classes))
        where = "of images, in each class"
    else:
        lows = (_low(true, alpha),) * classes
        where = (
            f"of images, over all classes together (for each class it would take {fewest:,} labelled images "
            f"set aside, and the smallest has {sizes.min():,})"
        )
    sentence = f"The labels that remain hold the true one for at least {share} {where}."
    return LabelThresholds(alpha, lows, by_class, count, sentence)


def labels_that_remain(probabilities: np.ndarray, lows: tuple[float, ...]) -> np.ndarray:
    """Which labels remain, bool [N, K]: those that reach their threshold, and always the most probable."""
    remain = np.asarray(probabilities, np.float32) >= np.asarray(lows, np.float32)
    remain[np.arange(len(remain)), probabilities.argmax(axis=1)] = True
    return remain


def _low(true: np.ndarray, alpha: float) -> float:
    """Of the n probabilities of the true labels the k-th smallest, k = floor((n + 1) alpha)."""
    place = len(true) + 1 - math.ceil(round((len(true) + 1) * (1 - alpha), 9))
    # cut after six digits, which keeps more labels, never fewer
    return math.floor(float(np.sort(true)[place - 1]) * 1e6) / 1e6
