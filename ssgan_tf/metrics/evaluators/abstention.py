"""What abstaining below a confidence would give."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ssgan_tf.metrics.evaluators.evaluator import Evaluator
from ssgan_tf.metrics.figures import CLASSIFICATION, TABLE, Figure
from ssgan_tf.metrics.intervals import share_interval, variance_inflation

THRESHOLDS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.99, 0.999)


def _figures(probabilities: np.ndarray, labels: np.ndarray, folds: np.ndarray | None) -> Iterator[Figure]:
    confidence = probabilities.max(axis=1)
    wrong = probabilities.argmax(axis=1) != labels
    inflation = variance_inflation(wrong, folds)
    rows = []
    for below in THRESHOLDS:
        # as the served model compares: it abstains below the threshold
        answers = confidence >= below
        answered, mistakes = int(answers.sum()), int((answers & wrong).sum())
        rows.append(
            {
                "below": below,
                "answered": answered,
                "coverage": answered / len(wrong),
                "coverage_interval": list(share_interval(answered, len(wrong), inflation)),
                "mistakes": mistakes,
                "error": mistakes / answered if answered else None,
                "error_interval": list(share_interval(mistakes, answered, inflation)) if answered else None,
            }
        )
    yield Figure(
        "abstention",
        rows,
        "abstaining below a confidence",
        TABLE,
        "share of the images that are answered, and the error among those, with 95 % intervals",
    )


EVALUATOR = Evaluator("abstaining", CLASSIFICATION, _figures)
