"""Does one model err less than another? What one draw can say, and what several can.

Two things vary: which labels were drawn (and what training made of them), and which images stand in the
test split. The interval over draws counts both; the test of one draw counts the images only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.reporting.predictions import Predictions

# fewer say too little of how much draws differ; see `interval_over_draws`
FEWEST_DRAWS = 5


@dataclass(frozen=True)
class Disagreement:
    """Two classifiers on the same images: those that only one of them gets right.

    Attributes:
        first_only: images that only the first answers rightly.
        second_only: images that only the second does.
        chance: two-sided probability of a difference at least as large if both were equally good, by the
            exact form of McNemar's test (McNemar 1947); of cross-fitted answers by its normal form, which
            counts what the folds' models share.
    """

    first_only: int
    second_only: int
    chance: float


def disagreement(first: Predictions, second: Predictions) -> Disagreement:
    """Compares answers to the same images, in the same order."""
    from ssgan_tf.metrics.intervals import chance_of_difference, difference_inflation

    ahead = int((first.right & ~second.right).sum())
    behind = int((second.right & ~first.right).sum())
    values = first.right.astype(np.float64) - second.right
    # of two runs one alone may be cross-fitted
    inflation = max(difference_inflation(values, one.folds) for one in (first, second))
    return Disagreement(ahead, behind, chance_of_difference(ahead, behind, inflation))


def interval_over_draws(
    values: Sequence[np.ndarray], images: Sequence[np.ndarray], inflation: float = 1.0
) -> tuple[float, float, float]:
    """Mean over draws of a mean over test images, with its 95 % interval.

    Its variance is that of the draws' means plus that of the images' sums over all draws they stand in:
    the two-way clustered variance of Cameron, Gelbach and Miller 2011, "Robust Inference With Multiway
    Clustering", equation 2.11, without the term that it subtracts, which makes it too large rather than
    too small. Student's t has one degree of freedom less than there are draws. Equal draws do not give an
    interval without width: the images still count. Cross-fitted draws share labelled images beyond that: the
    images' part is inflated as it is for one draw.

    Assumes that the draws' means differ about as normal values do. Where they do not, few draws mislead.
    Simulated without any difference (3,000 runs, 30 % of 100 or 1,000 images answered in two ways, each draw
    leaning to one side by a normal value that is cut off where it decides all of them): cut off in one draw
    of three, the interval leaves 0 out in 5 to 8 % of the runs with three draws, in 5 to 7 % with five; in
    nearly every draw, so that each is wholly for one side, in 25 %, 7 % and, of seven draws, 9 %.

    Args:
        values: of each draw, one number for each test image: 1 for a mistake, say, or the difference of
            two models' mistakes, float [N].
        images: of each draw, what identifies its test images, [N].
        inflation: of the images' part, from 1.

    Returns:
        (mean, low, high); low and high are nan for one draw.
    """
    from scipy.stats import t

    means = np.array([draw.mean() for draw in values])
    mean, draws = float(means.mean()), len(means)
    if draws < 2:
        return mean, math.nan, math.nan
    between = float(means.var(ddof=1)) / draws
    # what each image adds to the mean over draws, summed over the draws that it stands in
    parts = np.concatenate([(draw - mean) / (len(draw) * draws) for draw in values])
    _, image = np.unique(np.concatenate(images), return_inverse=True)
    sums = np.bincount(image, weights=parts)
    within = float((sums**2).sum()) * len(sums) / max(len(sums) - 1, 1)
    half = float(t.ppf(0.975, draws - 1)) * math.sqrt(between + inflation * within)
    return mean, mean - half, mean + half


def mistakes_over_draws(draws: Sequence[Predictions]) -> tuple[float, float, float]:
    """Mean test error over draws with its 95 % interval, cut off at the ends of the scale.

    That of one draw counts its images only: Wilson's, or that of cross-fitted answers.
    """
    from ssgan_tf.metrics.intervals import share_interval, variance_inflation

    wrong = [(~draw.right).astype(np.float64) for draw in draws]
    inflation = max(variance_inflation(w, draw.folds) for w, draw in zip(wrong, draws, strict=True))
    if len(draws) == 1:
        low, high = share_interval(wrong[0].sum(), len(wrong[0]), inflation)
        return float(wrong[0].mean()), low, high
    mean, low, high = interval_over_draws(wrong, [draw.digests for draw in draws], inflation)
    return mean, max(low, 0.0), min(high, 1.0)


def difference_over_draws(
    chosen: Sequence[Predictions], baseline: Sequence[Predictions]
) -> tuple[float, float, float]:
    """Mean over draws of the baseline's error minus the chosen model's, with its 95 % interval."""
    from ssgan_tf.metrics.intervals import difference_inflation

    differences = [a.right.astype(np.float64) - b.right for a, b in zip(chosen, baseline, strict=True)]
    inflation = max(difference_inflation(d, draw.folds) for d, draw in zip(differences, chosen, strict=True))
    return interval_over_draws(differences, [draw.digests for draw in chosen], inflation)


def verdict(paired: Mapping[str, Any]) -> str:
    """Says in a sentence whether the unlabelled images helped, from `paired_difference` of a summary."""
    mean, interval, name = paired["mean"], paired["interval"], paired["baseline"]
    draws = len(paired["differences"])
    if not any(paired["differences"]):
        return f"No difference: in every draw the error is that of the paired baseline, {name}."
    if draws == 1:
        return _one_draw(paired, _points(mean, name))
    spread = f"95 % interval of the difference {interval[0] * 100:+.2f} to {interval[1] * 100:+.2f} points"
    return f"The mean error is {_points(mean, name)} ({spread}): {certainty(interval, draws)}."


def certainty(interval: Sequence[float], draws: int) -> str:
    """Says whether a mean difference over several draws is more than noise."""
    if interval[0] <= 0 <= interval[1]:
        return "within the noise of the draws and of the test images"
    if draws < FEWEST_DRAWS:
        return f"{draws} draws are too few to tell; {FEWEST_DRAWS} or more can (--draws 5)"
    return "more than the noise of the draws and of the test images"


def better_baseline(paired: Mapping[str, Any] | None) -> str | None:
    """The baseline's name where its mean test error is the lower one."""
    return str(paired["baseline"]) if paired and paired["mean"] < 0 else None


def _points(mean: float, name: str) -> str:
    if not mean:
        return f"that of the paired baseline, {name}"
    side = "below" if mean > 0 else "above"
    return f"{abs(mean) * 100:.2f} points {side} that of the paired baseline, {name}"


def _one_draw(paired: Mapping[str, Any], points: str) -> str:
    return f"The error is {points}; {by_chance(paired)}"


def by_chance(paired: Mapping[str, Any]) -> str:
    """Says whether the test images of a single draw can tell two models apart.

    Args:
        paired: has `by_draw`, and `cross_fitted` where the draw is.
    """
    chance = paired["by_draw"][0]["chance"]
    images, more = "test images", "One draw says nothing of other labels: more do (--draws 5)."
    if paired.get("cross_fitted"):
        images, more = "labelled images, cross-fitted,", "More labelled images tell more."
    can = "can" if chance < 0.05 else "cannot"
    share = f"{chance:.1%}" if chance >= 0.001 else "less than 0.1%"
    return f"the {images} {can} tell the two apart (by chance alone in {share} of such tests). {more}"
