"""How far confidence and accuracy lie apart."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ssgan_tf.metrics.calibration import debiased_calibration_error, expected_calibration_error
from ssgan_tf.metrics.evaluators.evaluator import Evaluator
from ssgan_tf.metrics.figures import CLASSIFICATION, FRACTION, Figure
from ssgan_tf.metrics.temperature import Temperature

_DEBIASED = "root mean square over bins of equal numbers, without what chance puts there; 95 % interval"


def _figures(
    probabilities: np.ndarray,
    calibrated: np.ndarray,
    uncalibrated: np.ndarray | None,
    temperature: Temperature,
    labels: np.ndarray,
    calibration_bins: int,
) -> Iterator[Figure]:
    yield Figure(
        "temperature", temperature.value, "temperature", caption=f"divides the logits; {temperature.origin}"
    )
    yield Figure(
        "expected_calibration_error",
        expected_calibration_error(probabilities, labels, calibration_bins),
        "expected calibration error",
        FRACTION,
        "how far confidence and accuracy lie apart; 0 where confidence can be believed",
    )
    found = debiased_calibration_error(calibrated, labels, calibration_bins)
    yield Figure(
        "calibration_error",
        found.value,
        "calibration error, debiased",
        FRACTION,
        _DEBIASED,
        found.interval,
    )
    if uncalibrated is not None:
        found = debiased_calibration_error(uncalibrated, labels, calibration_bins)
        yield Figure(
            "calibration_error_before",
            found.value,
            "the same at the temperature 1",
            FRACTION,
            _DEBIASED,
            found.interval,
        )
    yield Figure(
        "mean_confidence",
        float(probabilities.max(axis=1).mean()),
        "mean confidence",
        FRACTION,
        "beside 1 - error: higher is boastful, lower is shy",
    )


EVALUATOR = Evaluator("calibration", CLASSIFICATION, _figures)
