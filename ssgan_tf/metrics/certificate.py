"""A promise about the error of a classifier that may abstain, and when it cannot be given.

    grid = threshold_grid(confidence_elsewhere, count=len(labels), asked=Asked(0.01, 0.95))
    found = certify(confidence, wrong, grid, Asked(0.01, 0.95))
    print(found.sentence)

The classifier answers where its confidence reaches a threshold. The promise: among its answers at most a
share `error` is wrong, and a promise given in this way is broken with a probability of 1 - `confidence` at
most, whatever the model and the distribution of the images (Geifman and El-Yaniv 2017, "Selective
Classification for Deep Neural Networks", section 3, with a binomial bound for each threshold). No price is
paid for the number of thresholds: they are tested in a fixed order, as Angelopoulos et al. 2021, "Learn then
Test: Calibrating Predictive Algorithms to Achieve Risk Control", section 4, have it. What it rests on:

- The images that it is checked on come, independently, from where the served images come from, and have
  decided nothing: neither weights nor temperature nor the thresholds.
  (As many of each class as there are among all labelled ones leave less to chance than that, not more.)
- Thresholds and their order are fixed before these images are looked at, confidences included: a grid that
  follows the confidences of the images checked on would change what is binomial. It is made from the
  confidences of other images, and from how many images there are to check on.
- What is tested at a threshold is the error given that an image is accepted. How many are accepted is chance
  too; given their number n, the mistakes among them are Binomial(n, error given accepted). So the exact
  test holds for every n, and with it for the n that came (Clopper and Pearson 1934).
- The tests begin at the strictest threshold and stop at the first one that does not pass. To promise too
  much, the first threshold in order that breaks the promise must pass its own test, which it does in
  1 - `confidence` of all cases at most. A later threshold is not looked at, however well it does.
"""

from __future__ import annotations

import functools
import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

# thresholds above are one and the same to float32 arithmetic
HIGHEST_THRESHOLD = 0.999999
GRID_POINTS = 50
# mistakes that the first test should be able to bear: with none, one bad image ends all
BEARABLE = 2

PROMISED, REFUSED, ESTIMATED = "promised", "refused", "estimated"


@dataclass(frozen=True)
class Asked:
    """What is asked for: a share of wrong answers at most, in (0, 1), with a confidence, in (0, 1)."""

    error: float
    confidence: float = 0.95

    @property
    def words(self) -> str:
        """In words: "at most 1 % are wrong"."""
        return f"at most {_percent(self.error)} are wrong"


@dataclass(frozen=True)
class Certificate:
    """What can be said of the error among answers.

    Attributes:
        state: PROMISED, REFUSED, or ESTIMATED (where no image was set aside).
        target_error, confidence: as asked for.
        threshold: confidence below which the classifier abstains; None where it should not answer at all.
        checked: labelled images that it was checked on.
        answered: those with at least that confidence; where refused, at the first threshold that was tested.
        wrong: mistakes among these.
        coverage: share of the images that are answered.
        coverage_low: its lower bound, Clopper and Pearson's at the confidence asked for, two-sided.
        error_bound: upper bound of the error among answers; None unless promised.
        sentence: all of it in words.
    """

    state: str
    target_error: float
    confidence: float
    threshold: float | None
    checked: int
    answered: int
    wrong: int
    coverage: float
    coverage_low: float
    error_bound: float | None
    sentence: str

    def document(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


@functools.lru_cache(maxsize=64)
def images_needed(wrong: int, asked: Asked) -> int:
    """The fewest answered images with so many mistakes among them that still allow the promise.

    For 1 % at 95 %: 299 without a mistake, 473 with one, 628 with two.
    """
    low, high = wrong, wrong + 1
    while not _passes(wrong, high, asked):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _passes(wrong, middle, asked) else (middle, high)
    return high


def _passes(wrong: Any, answered: Any, asked: Asked) -> Any:
    """The exact test: so few mistakes come at most so rarely where the error is larger than asked for."""
    from scipy.special import bdtr

    return bdtr(wrong, answered, asked.error) <= 1 - asked.confidence


def error_bound(wrong: int, answered: int, confidence: float) -> float:
    """The one-sided upper bound of Clopper and Pearson 1934 of a share; 1 where nothing was answered."""
    from scipy.stats import beta

    return float(beta.ppf(confidence, wrong + 1, answered - wrong)) if wrong < answered else 1.0


def coverage_bound(answered: int, checked: int, confidence: float) -> float:
    """The lower end of Clopper and Pearson's two-sided interval of a share."""
    from scipy.stats import beta

    return float(beta.ppf((1 - confidence) / 2, answered, checked - answered + 1)) if answered else 0.0


def threshold_grid(elsewhere: np.ndarray, *, count: int, asked: Asked) -> np.ndarray:
    """The thresholds to test, in their order, without a look at the images that will be checked on.

    They accept even steps of the images `elsewhere`. The first is where so many of `count` images can be
    expected to be accepted that the test passes with up to `BEARABLE` mistakes (fewer where `count` does not
    give that much), or a third of them. The last is 0: no abstaining.

    Args:
        elsewhere: confidences of other images that the model has not seen, in [0, 1] [M].
        count: images that will be checked on.
        asked: the promise.

    Returns:
        Thresholds, strictly falling, float64 [G].
    """
    wanted = [_with_room(images_needed(wrong, asked)) for wrong in range(BEARABLE + 1)]
    fit = [number for number in wanted if number <= 0.9 * count] or wanted[:1]
    first = min(1.0, max(fit[-1] / max(count, 1), 1 / 3))
    levels = np.linspace(first, 1.0, GRID_POINTS)[:-1]
    found = np.quantile(np.asarray(elsewhere, np.float64), 1 - levels) if len(elsewhere) else np.empty(0)
    # cut after six digits: what is written, served and compared is the same number
    cut = np.floor(np.minimum(found, HIGHEST_THRESHOLD) * 1e6) / 1e6
    return np.unique(np.append(cut, 0.0))[::-1]


def certify(confidence: np.ndarray, wrong: np.ndarray, grid: np.ndarray, asked: Asked) -> Certificate:
    """Tests the thresholds of a grid in their order, and stops at the first that does not pass.

    Args:
        confidence: of the images set aside, in [0, 1] [N].
        wrong: whether each answer is wrong, bool [N].
        grid: thresholds, falling, fixed before; see `threshold_grid`.
        asked: the promise.

    Returns:
        The promise at the last threshold that passed, or the refusal, with what would be needed.
    """
    # in float32, as `answers` compares
    surest = np.argsort(-confidence.astype(np.float32))
    counts = np.searchsorted(-confidence[surest].astype(np.float32), -grid.astype(np.float32), side="right")
    errors = np.concatenate([[0], np.cumsum(wrong[surest])])[counts]
    failed = np.flatnonzero((counts == 0) | ~_passes(errors, np.maximum(counts, 1), asked))
    last = (failed[0] if len(failed) else len(grid)) - 1
    if last < 0:
        return _refused(len(wrong), int(counts[0]), int(errors[0]), asked)
    threshold, answered, mistakes = float(grid[last]), int(counts[last]), int(errors[last])
    share, low = answered / len(wrong), coverage_bound(answered, len(wrong), asked.confidence)
    sentence = (
        f"It answers {_percent(share, 0)} of images (at least {_percent(low, 0, down=True)}); among its "
        f"answers {asked.words}, with {_percent(asked.confidence)} confidence ({mistakes:,} of {answered:,} "
        "wrong where this was checked). The promise holds for images like those it was checked on."
    )
    bound = error_bound(mistakes, answered, asked.confidence)
    return Certificate(
        PROMISED,
        asked.error,
        asked.confidence,
        threshold,
        len(wrong),
        answered,
        mistakes,
        share,
        low,
        bound,
        sentence,
    )


def _refused(checked: int, answered: int, wrong: int, asked: Asked) -> Certificate:
    needed = images_needed(wrong, asked)
    fewest = images_needed(0, asked)
    what = f"No promise that {asked.words} among its answers, with {_percent(asked.confidence)} confidence"
    seen = f"{wrong:,} of the {answered:,} surest answers are wrong, of {checked:,} images set aside"
    table = ", ".join(f"{images_needed(k, asked):,} with {k or 'none'}" for k in range(3))
    if checked < fewest:
        more = fewest - checked
        way = f"It takes {table} wrong: at least {more:,} labelled images more to set aside"
    elif wrong >= asked.error * answered and answered:
        way = (
            "At this rate of mistakes more labels would not do: it takes a better model, or a larger error "
            "to be allowed"
        )
    else:
        share = answered / checked if answered else 1.0
        more = max(1, math.ceil((needed - answered) / share))
        way = (
            f"With {wrong:,} wrong it takes {needed:,} answered images: about {more:,} labelled images more "
            f"to set aside, if no further one is wrong (answered images needed: {table} wrong)"
        )
    return Certificate(
        REFUSED,
        asked.error,
        asked.confidence,
        None,
        checked,
        answered,
        wrong,
        0.0,
        0.0,
        None,
        f"{what}: {seen}. {way}.",
    )


def estimate(confidence: np.ndarray, wrong: np.ndarray, folds: np.ndarray, asked: Asked) -> Certificate:
    """What abstaining might give where no image was set aside: an estimate, which promises nothing.

    For each fold the threshold is chosen on the others (the one that answers most with a share of mistakes
    within `asked.error`), and the fold's own answers are counted at it.

    Args:
        confidence: of images that their model had not seen, in [0, 1] [N].
        wrong: whether each answer is wrong, bool [N].
        folds: which part each image belongs to, int [N]; two or more parts.
        asked: the error that is aimed at.
    """
    accepted = np.zeros(len(wrong), bool)
    for fold in np.unique(folds):
        here = folds == fold
        threshold = _chosen(confidence[~here], wrong[~here], asked.error)
        accepted[here] = answers(confidence[here], threshold)
    answered, mistakes = int(accepted.sum()), int((accepted & wrong).sum())
    threshold, share = _chosen(confidence, wrong, asked.error), answered / len(wrong)
    err = f", {_percent(mistakes / answered, 1)}" if answered else ""
    sentence = (
        f"An estimate, no promise: aiming at {_percent(asked.error)} wrong, it would answer "
        f"{_percent(share, 0)} of images ({mistakes:,} of {answered:,} answers wrong{err}), each at a "
        "threshold that was chosen without it. A promise takes labelled images that are set aside for it: at "
        f"least {images_needed(0, asked):,} of them answered."
    )
    return Certificate(
        ESTIMATED,
        asked.error,
        asked.confidence,
        threshold if threshold < math.inf else None,
        len(wrong),
        answered,
        mistakes,
        share,
        0.0,
        None,
        sentence,
    )


def answers(confidence: np.ndarray, threshold: float) -> np.ndarray:
    """Whether each image is answered at a threshold, bool [N]; in float32, as in the served graph."""
    return np.asarray(confidence, np.float32) >= np.float32(threshold)


def _chosen(confidence: np.ndarray, wrong: np.ndarray, error: float) -> float:
    """The lowest threshold with a share of mistakes within `error` among its answers; above 1: none."""
    values, group = np.unique(-confidence, return_inverse=True)
    answered = np.cumsum(np.bincount(group, minlength=len(values)))
    mistakes = np.cumsum(np.bincount(group, weights=wrong, minlength=len(values)))
    fit = np.flatnonzero(mistakes <= error * answered)
    # cut, so that the image at the threshold itself is answered after rounding
    return math.floor(min(float(-values[fit[-1]]), 1.0) * 1e6) / 1e6 if len(fit) else math.inf


def _with_room(number: int) -> float:
    """So many and a standard deviation more, as their number is chance."""
    return number + math.sqrt(number)


def _percent(share: float, digits: int | None = None, *, down: bool = False) -> str:
    value = 100 * share
    if digits is None:
        return f"{value:.6g} %"
    return f"{math.floor(value * 10**digits) / 10**digits if down else value:.{digits}f} %"
