"""How often do the reported intervals hold the truth? Many small data sets, whose truth is known.

    python tools/simulate_intervals.py            all cells
    python tools/simulate_intervals.py --runs 50  a look

A run draws labelled points of a Gaussian mixture, tests a classifier as `ganpipe run` does (five folds where
a test split of a fifth would hold fewer than 200 points, else that test split), trains the model that counts,
and looks up its true error on 4,000 more points. Counted is how often the interval of the error (and of a
class's recall, and of the error among answers of at least 0.9 confidence) holds what the model that counts
really does. `unstable` is a nearest centroid that leaves a tenth of its inputs out at random, anew in every
training, as networks differ from one random start to another. `claims` is how often the paired comparison
says that one of two equally good learners is better (on a plain test split it speaks of the two models, of
which one may be better by its random start). The last table: how often it sees that a learner is worse.

Measured with 1,000 runs of each of 54 cells (2, 5 and 10 classes, hard and easy), least and mean over cells:

| labels | tested by | error | recall | sure | claims, most | width, mean | times naive |
|---|---|---|---|---|---|---|---|
| 60 | 5 folds | 94.4 %, 97.8 % | 96.7 %, 98.1 % | 91.2 %, 96.3 % | 3.5 % | 29.5 points | 1.57 |
| 200 | 5 folds | 93.5 %, 98.1 % | 97.9 %, 98.8 % | 96.3 %, 98.2 % | 4.4 % | 16.1 points | 1.64 |
| 1,000 | 200 held out | 93.9 %, 94.8 % | 94.3 %, 95.1 % | 93.9 %, 95.4 % | 4.1 % | 9.6 points | 1.00 |

(claims at 1,000 labels without the unstable learner.) Of ten classes, a learner that errs on 28 % where the
other errs on 8 % is seen to be worse in 57 % of 500 runs with 60 labels, and with 200 labels (21 % against
4 %) in 86 %; one that errs on 18 % with 60 labels in 19 %.
"""

from __future__ import annotations

import argparse
import itertools
from dataclasses import dataclass

import numpy as np

from ssgan_tf.metrics.intervals import (
    chance_of_difference,
    difference_inflation,
    share_interval,
    variance_inflation,
)

FOLDS = 5
TEST_RATE = 0.2
ENOUGH = 200
SURE = 0.9
# runs that share a mixture
BATCH = 25
CLASSES = (2, 5, 10)
LABELS = (60, 200, 1000)
# name to how much the pooled covariance counts, and the share of the inputs that a training keeps
LEARNERS = {"centroid": (0.0, 1.0), "discriminant": (0.8, 1.0), "unstable": (0.0, 0.9)}


@dataclass(frozen=True)
class Mixture:
    """Classes of one size around means of one length in `inputs` dimensions, unit variance."""

    classes: int
    apart: float
    inputs: int = 20

    def means(self, random: np.random.Generator) -> np.ndarray:
        """Class means [K, D]."""
        directions = random.normal(size=(self.classes, self.inputs))
        return self.apart * directions / np.linalg.norm(directions, axis=1, keepdims=True)


def fit(
    learner: str, points: np.ndarray, classes: np.ndarray, used: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Trains one linear classifier a run.

    Args:
        learner: a name of LEARNERS.
        points: [R, N, D].
        classes: int [N], the same in every run.
        used: which points are trained on, bool [N].
        random: for what an unstable learner leaves out.

    Returns:
        Weights [R, D, K] and offsets [R, K].
    """
    covariance, kept = LEARNERS[learner]
    runs, _, inputs = points.shape
    points, classes = points[:, used], classes[used]
    one_hot = np.eye(classes.max() + 1)[classes]
    means = np.matmul((one_hot / one_hot.sum(0)).T, points)
    if kept < 1:
        means = means * (random.random((runs, 1, inputs)) < kept)
    weights = means.transpose(0, 2, 1)
    if covariance:
        centred = points - means[:, classes]
        pooled = np.matmul(centred.transpose(0, 2, 1), centred) / len(classes)
        level = np.trace(pooled, axis1=1, axis2=2)[:, None, None] / inputs
        pooled = covariance * pooled + (1 - covariance) * level * np.eye(inputs)
        weights = np.linalg.solve(pooled, weights)
    return weights, -0.5 * (means.transpose(0, 2, 1) * weights).sum(1)


def answer(model: tuple[np.ndarray, np.ndarray], points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Answers and confidences [R, N] for points [R, N, D] or, the same for all runs, [N, D]."""
    scores = np.matmul(points, model[0]) + model[1][:, None]
    scores -= scores.max(-1, keepdims=True)
    return scores.argmax(-1), 1 / np.exp(scores).sum(-1)


@dataclass(frozen=True)
class Answered:
    """Of each run: which tested points were answered rightly, how surely, in which fold; the same of more.

    `folds` is None for a plain test split. `truth_right` and `truth_sure` are of the model that counts.
    """

    right: np.ndarray
    sure: np.ndarray
    classes: np.ndarray
    folds: np.ndarray | None
    truth_right: np.ndarray
    truth_sure: np.ndarray
    truth_classes: np.ndarray


def answers(
    learner: str, points: np.ndarray, classes: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray], np.ndarray | None]:
    """Tests a learner as `ganpipe run` does.

    Args:
        learner: a name of LEARNERS.
        points: labelled ones [R, N, D].
        classes: theirs, int [N], one class after the other, so that folds are stratified.
        random: for unstable learners.

    Returns:
        Answers and confidences [R, M], which points were tested [M], the model that counts, and the fold of
        each tested point, or None for a plain test split.
    """
    runs, labels, _ = points.shape
    turn = np.arange(labels) % FOLDS
    if labels * TEST_RATE >= ENOUGH:
        tested = np.flatnonzero(turn == 0)
        model = fit(learner, points, classes, turn != 0, random)
        return *answer(model, points[:, tested]), tested, model, None
    said, sure = np.zeros((runs, labels), int), np.zeros((runs, labels))
    for fold in range(FOLDS):
        test = turn == fold
        said[:, test], sure[:, test] = answer(fit(learner, points, classes, ~test, random), points[:, test])
    model = fit(learner, points, classes, np.ones(labels, bool), random)
    return said, sure, np.arange(labels), model, turn


def simulate(
    learner: str, mixture: Mixture, labels: int, *, runs: int, seed: int, more: int = 4000
) -> Answered:
    """Tests a learner on `labels` points in each of `runs` runs, and the model that counts on `more`."""
    random = np.random.default_rng(seed)
    means = mixture.means(random)
    classes, true_classes = np.sort(np.arange(labels) % mixture.classes), np.arange(more) % mixture.classes
    points = (means[classes] + random.normal(size=(runs, labels, mixture.inputs))).astype(np.float32)
    said, sure, tested, model, folds = answers(learner, points, classes, random)
    true_points = (means[true_classes] + random.normal(size=(more, mixture.inputs))).astype(np.float32)
    true_said, true_sure = answer(model, true_points)
    return Answered(
        said == classes[tested],
        sure,
        classes[tested],
        folds,
        true_said == true_classes,
        true_sure,
        true_classes,
    )


def paired(
    learner: str, mixture: Mixture, labels: int, *, runs: int, seed: int, missing: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Two learners' right answers to the same points: each sees inputs of its own, and some that both see.

    What they see of their own is alike, so that neither is better; the second does without `missing` inputs.

    Returns:
        Whether each answered rightly, bool [R, M] twice, and the folds [M] or None.
    """
    random = np.random.default_rng(seed)
    means, shared = mixture.means(random), mixture.inputs // 2
    own = mixture.inputs - shared
    both = np.concatenate([means, means[:, :own]], axis=1)
    classes = np.sort(np.arange(labels) % mixture.classes)
    points = (both[classes] + random.normal(size=(runs, labels, both.shape[1]))).astype(np.float32)
    first, _, tested, _, folds = answers(learner, points[..., : mixture.inputs], classes, random)
    second, _, _, _, _ = answers(learner, points[..., own + missing :], classes, random)
    return first == classes[tested], second == classes[tested], folds


def coverage(found: Answered) -> dict[str, float]:
    """How often intervals hold the truth, and how wide they are against those of independent answers."""
    held: dict[str, list[bool]] = {"error": [], "recall": [], "sure": []}
    widths, naive = [], []
    for run, right in enumerate(found.right):
        inflation = variance_inflation(~right, found.folds)
        true_right = found.truth_right[run]

        def holds(tested: np.ndarray, true: np.ndarray, run: int = run, inflation: float = inflation) -> bool:
            hits = int((~found.right[run][tested]).sum())
            low, high = share_interval(hits, int(tested.sum()), inflation)
            return bool(low <= 1 - found.truth_right[run][true].mean() <= high)

        everyone = np.ones(len(right), bool)
        held["error"].append(holds(everyone, np.ones(len(true_right), bool)))
        held["recall"] += [
            holds(found.classes == k, found.truth_classes == k) for k in range(found.classes.max() + 1)
        ]
        sure, true_sure = found.sure[run] >= SURE, found.truth_sure[run] >= SURE
        if sure.any() and true_sure.sum() >= 100:
            held["sure"].append(holds(sure, true_sure))
        wrong = int((~right).sum())
        for factor, into in ((inflation, widths), (1.0, naive)):
            low, high = share_interval(wrong, len(right), factor)
            into.append(high - low)
    return {name: float(np.mean(values)) if values else float("nan") for name, values in held.items()} | {
        "tested": float(1 - found.right.mean()),
        "truth": float(1 - found.truth_right.mean()),
        "width": float(np.mean(widths)),
        "times": float(np.mean(widths) / np.mean(naive)),
    }


def claims(first: np.ndarray, second: np.ndarray, folds: np.ndarray | None) -> float:
    """How often two learners' right answers [R, M] to the same points are called different at 5 %."""
    found = []
    for one, other in zip(first, second, strict=True):
        inflation = difference_inflation(one * 1.0 - other, folds)
        chance = chance_of_difference(int((one & ~other).sum()), int((other & ~one).sum()), inflation)
        found.append(chance < 0.05)
    return float(np.mean(found))


def cell(learner: str, mixture: Mixture, labels: int, runs: int) -> dict[str, float]:
    """All figures of a cell, each mean over mixtures of `BATCH` runs."""
    seeds = range(max(1, runs // BATCH))
    found = [coverage(simulate(learner, mixture, labels, runs=BATCH, seed=seed)) for seed in seeds]
    figures = {name: float(np.nanmean([one[name] for one in found])) for name in found[0]}
    same = [paired(learner, mixture, labels, runs=BATCH, seed=seed) for seed in seeds]
    return figures | {"claims": float(np.mean([claims(*one) for one in same]))}


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=1000, help="runs of each cell")
    runs = parser.parse_args().runs
    names = ("tested", "truth", "error", "recall", "sure", "claims", "width")
    print("| labels | classes | apart | learner | " + " | ".join(names) + " | times naive |")
    print("|---" * (len(names) + 5) + "|")
    for labels, classes, apart, learner in itertools.product(LABELS, CLASSES, (1.5, 3.0), LEARNERS):
        found = cell(learner, Mixture(classes, apart), labels, runs)
        shares = " | ".join(f"{found[name]:.1%}" for name in names)
        row = f"| {labels} | {classes} | {apart} | {learner} | {shares} | {found['times']:.2f} |"
        print(row, flush=True)
    print("\n| labels | missing inputs | error | of the second | seen |\n|---|---|---|---|---|")
    for labels, missing in itertools.product(LABELS[:2], (6, 10)):
        pairs = [
            paired("centroid", Mixture(10, 4.0), labels, runs=BATCH, seed=s, missing=missing)
            for s in range(20)
        ]
        errors = [f"{1 - np.mean([pair[n].mean() for pair in pairs]):.1%}" for n in (0, 1)]
        seen = np.mean([claims(*pair) for pair in pairs])
        print(f"| {labels} | {missing} | {errors[0]} | {errors[1]} | {seen:.1%} |", flush=True)


if __name__ == "__main__":
    main()
