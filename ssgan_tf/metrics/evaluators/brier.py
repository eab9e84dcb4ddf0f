"""Brier score."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ssgan_tf.metrics.calibration import brier_score
from ssgan_tf.metrics.evaluators.evaluator import Evaluator
from ssgan_tf.metrics.figures import CLASSIFICATION, Figure


def _figures(probabilities: np.ndarray, labels: np.ndarray) -> Iterator[Figure]:
    yield Figure(
        "brier",
        brier_score(probabilities, labels),
        "Brier score",
        caption="squared distance of the probabilities to the truth, 0 to 2; smaller is better",
    )


EVALUATOR = Evaluator("the Brier score", CLASSIFICATION, _figures)
