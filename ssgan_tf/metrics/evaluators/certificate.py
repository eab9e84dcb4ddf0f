"""The promise about the error among answers, its refusal, or an estimate."""

from __future__ import annotations

from collections.abc import Iterator

from ssgan_tf.metrics.certificate import ESTIMATED, PROMISED, REFUSED, Certificate
from ssgan_tf.metrics.evaluators.evaluator import Evaluator
from ssgan_tf.metrics.figures import CLASSIFICATION, FRACTION, TABLE, TEXT, Figure

_TITLES = {PROMISED: "the promise", REFUSED: "no promise", ESTIMATED: "an estimate, no promise"}


def _figures(certificate: Certificate | None) -> Iterator[Figure]:
    if certificate is None:
        return
    yield Figure("certificate", certificate.document(), "certificate", TABLE)
    yield Figure("promise", certificate.sentence, _TITLES[certificate.state], TEXT)
    if certificate.state != ESTIMATED:
        yield Figure(
            "certified_coverage",
            certificate.coverage,
            "answered under the promise",
            FRACTION,
            "share of the images set aside that it answers; 0 where nothing is promised",
        )


EVALUATOR = Evaluator("the promise", CLASSIFICATION, _figures)
