"""Error with its interval."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ssgan_tf.metrics.evaluators.evaluator import Evaluator
from ssgan_tf.metrics.figures import CLASSIFICATION, FRACTION, IMAGES, Figure
from ssgan_tf.metrics.intervals import share_interval, variance_inflation

_PLAIN = "share of the held-out images answered wrongly, with Wilson's 95 % interval"
_CROSS_FITTED = (
    "share of the labelled images answered wrongly, each by a model that had not seen it; the 95 % interval "
    "counts what those models share"
)


def _figures(probabilities: np.ndarray, labels: np.ndarray, folds: np.ndarray | None) -> Iterator[Figure]:
    mistakes = probabilities.argmax(axis=1) != labels
    wrong = int(mistakes.sum())
    yield Figure(
        "error",
        wrong / len(labels),
        "error",
        FRACTION,
        _PLAIN if folds is None else _CROSS_FITTED,
        share_interval(wrong, len(labels), variance_inflation(mistakes, folds)),
    )
    yield Figure("wrong", wrong, "mistakes", IMAGES)
    yield Figure("count", len(labels), "held-out images", IMAGES)


EVALUATOR = Evaluator("the error", CLASSIFICATION, _figures)
