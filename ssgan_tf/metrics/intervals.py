"""Intervals of shares (an error, a recall), for a plain test split and for cross-fitted answers.

On a plain test split one model answers images that are independent of it: Wilson's interval (Wilson 1927).
Cross-fitted answers come from K models, one a fold, that share training images; what is asked for is the
error of yet another model, trained on all of them. Taken for independent answers of that model they give
intervals that are too narrow (Bates, Hastie and Tibshirani 2021, "Cross-validation: what does it estimate
and how well does it do it?"). So their variance is inflated before Wilson's formula is used: each counts as
less than one image. `tools/simulate_intervals.py` measures how often the intervals then hold.
"""

from __future__ import annotations

import math

import numpy as np

# the two-sided 95 % point of the normal distribution
Z = 1.959963984540054
# a spread between folds that chance exceeds so rarely is not yet held for one of the models
CHANCE_SPREAD = 0.9
CHANCE_SPREAD_OF_DIFFERENCES = 0.75


def variance_inflation(values: np.ndarray, folds: np.ndarray | None = None) -> float:
    """How many times the variance of a share of cross-fitted answers is that of independent ones.

    The larger of two: 1 + K / (K - 1), the corrected variance of Nadeau and Bengio 2003, "Inference for the
    Generalization Error", section 3.2, with their ratio of test to training images; and what the folds
    themselves show where their means differ by more than chance allows: then models differ (an unstable
    training), and the model that is asked about differs from those of the folds as they do from each other.

    Args:
        values: one for each image: 1 for a mistake, say [N].
        folds: which fold each was answered in [N]; None: a plain test split.

    Returns:
        A factor from 1; 1 for a plain test split.
    """
    count = _count(folds)
    least = 1 + count / (count - 1) if count > 1 else 1.0
    return max(least, _shown_by_folds(values, folds, CHANCE_SPREAD))


def difference_inflation(values: np.ndarray, folds: np.ndarray | None = None) -> float:
    """As `variance_inflation`, for the difference of two models' answers to the same images.

    What the folds share moves both models alike, so the least is K / (K - 1); a spread between the folds
    counts sooner.

    Args:
        values: -1, 0 or 1 for each image [N].
        folds: which fold each was answered in [N]; None: a plain test split.
    """
    count = _count(folds)
    least = count / (count - 1) if count > 1 else 1.0
    return max(least, _shown_by_folds(values, folds, CHANCE_SPREAD_OF_DIFFERENCES))


def _count(folds: np.ndarray | None) -> int:
    return 0 if folds is None else len(np.unique(folds))


def _shown_by_folds(values: np.ndarray, folds: np.ndarray | None, chance: float) -> float:
    """The inflation that the spread of the folds' means speaks for, beyond what chance gives."""
    from scipy.stats import chi2, t

    values = np.asarray(values, np.float64)
    variance = float(values.var()) if len(values) else 0.0
    if folds is None or not variance:
        return 1.0
    _, fold, sizes = np.unique(folds, return_inverse=True, return_counts=True)
    count = len(sizes)
    if count < 2:
        return 1.0
    means = np.bincount(fold, weights=values) / sizes
    spread = float(means.var(ddof=1)) * len(values) / count / variance
    excess = spread - float(chi2.ppf(chance, count - 1)) / (count - 1)
    # that variance is known from a few folds only, as Student's t has it
    unsure = (float(t.ppf(0.975, count - 1)) / Z) ** 2
    return 1 + (count + 1) * excess * unsure


def share_interval(hits: float, count: int, inflation: float = 1.0) -> tuple[float, float]:
    """Wilson's 95 % interval of a share; with an inflation, that of as many times fewer images.

    Args:
        hits: how many of them.
        count: images; 0 gives the whole scale.
        inflation: of the variance, from 1, by `variance_inflation`.

    Returns:
        (low, high), fractions; low is 0 without a hit, high is 1 with nothing else.
    """
    if not count:
        return 0.0, 1.0
    share, effective = hits / count, count / inflation
    middle = share + Z * Z / (2 * effective)
    half = Z * math.sqrt(share * (1 - share) / effective + (Z / (2 * effective)) ** 2)
    scale = 1 + Z * Z / effective
    low = 0.0 if not hits else max(0.0, (middle - half) / scale)
    high = 1.0 if hits == count else min(1.0, (middle + half) / scale)
    return low, high


def chance_of_difference(first_only: int, second_only: int, inflation: float = 1.0) -> float:
    """How often two equally good models would differ at least as much: two-sided, from McNemar's test.

    Exact on a plain test split (McNemar 1947); for cross-fitted answers the normal form with Edwards'
    correction (Edwards 1948), its variance inflated.

    Args:
        first_only: images that only the first model answers rightly.
        second_only: images that only the second does.
        inflation: of the variance of the difference, by `difference_inflation`.
    """
    from scipy.stats import binomtest, norm

    disagreeing = first_only + second_only
    if not disagreeing:
        return 1.0
    if inflation == 1:
        return float(binomtest(first_only, disagreeing).pvalue)
    distance = max(abs(first_only - second_only) - 1, 0) / math.sqrt(inflation * disagreeing)
    return float(2 * norm.sf(distance))


def chance_if_worse(worse: int, better: int, count: int, *, margin: float, inflation: float = 1.0) -> float:
    """How often so good a comparison would come about if the new model erred more by `margin`: one-sided.

    The score test of a difference of paired shares (Tango 1998, "Equivalence test and confidence interval
    for the difference in proportions for the paired-sample design", equations 4 to 6). Where few images tell
    the two apart the normal distribution falls too soon (268 images without one would do for a point, whose
    chance is 0.068); there the exact chance counts, at the same most likely shares.

    Args:
        worse: images that only the old model answers rightly.
        better: images that only the new one does.
        count: all images that both answered, from 1.
        margin: difference of the errors, in (-1, 1).
        inflation: of the variance of the difference, by `difference_inflation`.

    Returns:
        A probability: below 0.05 the new model is worse by less than the margin, with 95 % confidence.
    """
    from scipy.stats import norm

    # the share of the better ones, most likely if the difference is the margin
    a = 2 * count
    b = (2 * count - worse + better) * margin - worse - better
    c = -better * margin * (1 - margin)
    share = (math.sqrt(max(b * b - 4 * a * c, 0.0)) - b) / (2 * a)
    variance = count * max(2 * share + margin * (1 - margin), 0.0) * inflation
    distance = worse - better - count * margin
    if not variance:
        return 1.0 if distance >= 0 else 0.0
    exact = _chance_of_less(worse - better, count, worse_share=share + margin, better_share=share)
    return max(exact, float(norm.cdf(distance / math.sqrt(variance))))


def _chance_of_less(difference: int, count: int, *, worse_share: float, better_share: float) -> float:
    """How often of `count` images the worse ones are more than the better ones by `difference` at most."""
    from scipy.special import bdtr
    from scipy.stats import binom

    better_share, worse_share = min(max(better_share, 0.0), 1.0), max(worse_share, 0.0)
    better = np.arange(int(binom.ppf(1 - 1e-9, count, better_share)) + 1)
    rest, most = count - better, np.minimum(difference + better, count - better)
    among_rest = min(worse_share / (1 - better_share), 1.0) if better_share < 1 else 0.0
    below = np.where(most < 0, 0.0, bdtr(np.maximum(most, 0), rest, among_rest))
    return float(binom.pmf(better, count, better_share) @ below)


def largest_difference(worse: int, better: int, count: int, *, inflation: float = 1.0) -> float:
    """The largest difference of the errors (new minus old) that 95 % confidence leaves, in (-1, 1).

    It is the margin at which `chance_if_worse` is 0.05.
    """
    from scipy.optimize import brentq

    def beyond(margin: float) -> float:
        return chance_if_worse(worse, better, count, margin=margin, inflation=inflation) - 0.05

    low, high = (worse - better) / count, 1 - 1e-9
    return float(brentq(beyond, low, high)) if low < high and beyond(high) < 0 < beyond(low) else 1.0
