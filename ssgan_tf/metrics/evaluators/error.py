"""Error with its interval."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.stats import binomtest

from ssgan_tf.metrics.evaluators.evaluator import Evaluator
from ssgan_tf.metrics.figures import CLASSIFICATION, FRACTION, IMAGES, Figure


def _figures(probabilities: np.ndarray, labels: np.ndarray) -> Iterator[Figure]:
    wrong = int((probabilities.argmax(axis=1) != labels).sum())
    interval = binomtest(wrong, len(labels)).proportion_ci(method="wilson")
    yield Figure(
        "error",
        wrong / len(labels),
        "error",
        FRACTION,
        "share of the held-out images answered wrongly, with Wilson's 95 % interval",
        (float(interval.low), float(interval.high)),
    )
    yield Figure("wrong", wrong, "mistakes", IMAGES)
    yield Figure("count", len(labels), "held-out images", IMAGES)


EVALUATOR = Evaluator("the error", CLASSIFICATION, _figures)
