"""How far confidence and accuracy lie apart."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ssgan_tf.metrics.calibration import expected_calibration_error
from ssgan_tf.metrics.evaluators.evaluator import Evaluator
from ssgan_tf.metrics.figures import CLASSIFICATION, FRACTION, Figure


def _figures(probabilities: np.ndarray, labels: np.ndarray, calibration_bins: int) -> Iterator[Figure]:
    yield Figure(
        "expected_calibration_error",
        expected_calibration_error(probabilities, labels, calibration_bins),
        "expected calibration error",
        FRACTION,
        "how far confidence and accuracy lie apart; 0 where confidence can be believed",
    )
    yield Figure(
        "mean_confidence",
        float(probabilities.max(axis=1).mean()),
        "mean confidence",
        FRACTION,
        "beside 1 - error: higher is boastful, lower is shy",
    )


EVALUATOR = Evaluator("calibration", CLASSIFICATION, _figures)
