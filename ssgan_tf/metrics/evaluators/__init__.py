"""What an evaluation computes: one file a metric, and its row here. Their order is that of all tables.

    figures, left_out = evaluate(CLASSIFICATION, inputs)

`inputs` has an attribute for each name that an evaluator needs. The imports are written out, so that who
reads this file (a fingerprint of the code, say) finds every evaluator.
"""

from __future__ import annotations

from typing import Any

from ssgan_tf.metrics.evaluators import (
    abstention,
    brier,
    calibration_error,
    certificate,
    class_coverage,
    distances,
    error,
    foreign,
    label_sets,
    likelihood,
    of_the_system,
    per_class,
    slices,
)
from ssgan_tf.metrics.evaluators.evaluator import Evaluator, Unavailable
from ssgan_tf.metrics.figures import Figure

EVALUATORS: tuple[Evaluator, ...] = (
    error.EVALUATOR,
    likelihood.EVALUATOR,
    brier.EVALUATOR,
    calibration_error.EVALUATOR,
    per_class.EVALUATOR,
    slices.EVALUATOR,
    certificate.EVALUATOR,
    abstention.EVALUATOR,
    label_sets.EVALUATOR,
    foreign.EVALUATOR,
    distances.EVALUATOR,
    class_coverage.EVALUATOR,
    of_the_system.EVALUATOR,
)


def evaluate(section: str, inputs: Any) -> tuple[list[Figure], dict[str, str]]:
    """Runs the evaluators of a section.

    Args:
        section: CLASSIFICATION or GENERATION.
        inputs: what they need, by name; an attribute may raise `Unavailable`.

    Returns:
        The figures in order, and the name of each evaluator that was left out, with the reason.
    """
    figures: list[Figure] = []
    left_out: dict[str, str] = {}
    for evaluator in EVALUATORS:
        if evaluator.section != section:
            continue
        try:
            values = {name: getattr(inputs, name) for name in evaluator.needs}
        except Unavailable as reason:
            left_out[evaluator.name] = str(reason)
            continue
        figures += evaluator.compute(**values)
    return figures, left_out
