"""Do two sets of images come from one distribution? Three two-sample tests of what a classifier sees.

    found = shift_tests(reference, new, seed=0)
    if any(test.adjusted <= level for test in found): ...

Confidences by the test of Kolmogorov and Smirnov, predicted classes by Pearson's chi-squared statistic, and
features by the maximum mean discrepancy, both with a permutation p-value, which holds for every sample size.
The p-values are adjusted for three tests (Holm 1979): if both sets come from one distribution, one of
them falls to a level or below in at most that share of all cases.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats
from scipy.spatial.distance import pdist
from sklearn.metrics.pairwise import rbf_kernel

PERMUTATIONS = 999
# images whose distances give the kernel its width
WIDTH_IMAGES = 500


class Seen(NamedTuple):
    """What a classifier sees in N images: `features` [N, F], `confidence` [N] and `class_id` int [N]."""

    features: np.ndarray
    confidence: np.ndarray
    class_id: np.ndarray


class ShiftTest(NamedTuple):
    """One test: of what, its statistic, its p-value, and that adjusted for all tests."""

    name: str
    statistic: float
    p_value: float
    adjusted: float


def shift_tests(
    reference: Seen, new: Seen, *, seed: int = 0, permutations: int = PERMUTATIONS
) -> list[ShiftTest]:
    """Tests confidences, predicted classes and features.

    Args:
        reference: N images.
        new: M images.
        seed: of the permutations.
        permutations: how many; the smallest p-value of two of the tests is 1 / (1 + permutations).
    """
    random = np.random.default_rng(seed)
    ks = stats.ks_2samp(reference.confidence, new.confidence)
    found = {
        "confidence": (float(ks.statistic), float(ks.pvalue)),
        "predicted classes": class_test(reference.class_id, new.class_id, random, permutations),
        "features": feature_test(reference.features, new.features, random, permutations),
    }
    adjusted = holm([p_value for _, p_value in found.values()])
    return [ShiftTest(name, *values, p) for (name, values), p in zip(found.items(), adjusted, strict=True)]


def holm(p_values: list[float]) -> list[float]:
    """Adjusts p-values for their number (Holm 1979): rejecting those below a level keeps all errors at it."""
    order = np.argsort(p_values)
    steps = np.array(p_values)[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return [float(value) for value in adjusted]


def class_test(
    first: np.ndarray, second: np.ndarray, random: np.random.Generator, permutations: int
) -> tuple[float, float]:
    """Chi-squared statistic of two sets of classes, and its p-value over tables of the same margins.

    Args:
        first: classes int [N].
        second: classes int [M].
        random: draws the tables.
        permutations: how many.
    """
    names, place = np.unique(np.concatenate([first, second]), return_inverse=True)
    if len(names) == 1:
        return 0.0, 1.0
    table = np.stack([np.bincount(part, minlength=len(names)) for part in np.split(place, [len(first)])])
    expected = stats.contingency.expected_freq(table)
    drawn = stats.random_table(table.sum(1), table.sum(0)).rvs(permutations, random_state=random)
    statistics = (((drawn - expected) ** 2) / expected).sum((1, 2))
    statistic = float((((table - expected) ** 2) / expected).sum())
    return statistic, _p_value(statistic, statistics)


def feature_test(
    first: np.ndarray, second: np.ndarray, random: np.random.Generator, permutations: int
) -> tuple[float, float]:
    """Squared maximum mean discrepancy without bias, and its permutation p-value.

    Gretton et al. 2012, "A Kernel Two-Sample Test", equation 3 and section 6, with a Gaussian kernel as wide
    as the median distance. Every feature is scaled by its deviation over both sets together, so that the
    scale knows nothing of which set an image is in.

    Args:
        first: features [N, F].
        second: features [M, F].
        random: draws the permutations.
        permutations: how many.
    """
    n, both = len(first), np.concatenate([first, second]).astype(np.float64)
    deviation = both.std(0)
    both = (both - both.mean(0))[:, deviation > 0] / deviation[deviation > 0]
    if not both.size:
        return 0.0, 1.0
    near = both[random.permutation(len(both))[:WIDTH_IMAGES]]
    width = float(np.median(pdist(near, "sqeuclidean"))) or 1.0
    kernel = rbf_kernel(both, gamma=1.0 / width).astype(np.float32)
    np.fill_diagonal(kernel, 0.0)
    m = len(both) - n
    # a column a permutation, the first is what there is: 1 where an image counts as of the first set
    members = np.zeros((len(both), 1 + permutations), np.float32)
    members[:n, 0] = 1.0
    for column in range(1, 1 + permutations):
        members[random.permutation(len(both))[:n], column] = 1.0
    onto = kernel @ members
    within = (members * onto).sum(0, dtype=np.float64)
    across = onto.sum(0, dtype=np.float64) - within
    others = float(kernel.sum(dtype=np.float64)) - within - 2 * across
    values = within / (n * (n - 1)) + others / (m * (m - 1)) - 2 * across / (n * m)
    return float(values[0]), _p_value(values[0], values[1:])


def _p_value(statistic: float, drawn: np.ndarray) -> float:
    # equal ones differ in their last digits
    return float((1 + (drawn >= statistic - 1e-9 * abs(statistic)).sum()) / (1 + len(drawn)))
