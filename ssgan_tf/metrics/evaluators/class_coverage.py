"""Which classes a judge sees in generated images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ssgan_tf.metrics.evaluators.evaluator import Evaluator
from ssgan_tf.metrics.figures import FRACTION, GENERATION, IMAGES, TABLE, Figure
from ssgan_tf.metrics.generation import class_shares, missing_class_mass
from ssgan_tf.metrics.judge import Judge


def _figures(
    judge: Judge,
    generated_probabilities: np.ndarray,
    real_probabilities: np.ndarray,
    class_names: Sequence[str],
) -> Iterator[Figure]:
    shares, real_shares = class_shares(generated_probabilities), class_shares(real_probabilities)
    histogram = dict(zip(class_names, shares.tolist(), strict=True))
    yield Figure("class_histogram", histogram, "share of each class", TABLE)
    yield Figure(
        "smallest_class_share",
        float(shares.min()),
        "share of the rarest class",
        FRACTION,
        "0 where a class is never drawn",
    )
    yield Figure(
        "missing_class_mass",
        missing_class_mass(shares, real_shares),
        "missing class mass",
        FRACTION,
        "0 where classes are as frequent as among real images",
    )
    yield Figure(
        "mean_confidence",
        float(generated_probabilities.max(axis=1).mean()),
        "mean confidence of the judge",
        FRACTION,
        "low where samples are not clearly of a class",
    )
    yield Figure(
        "judge_error",
        judge.error,
        "the judge's own error",
        FRACTION,
        "on real images that it was not trained on",
    )
    yield Figure("judge_images", judge.images, "images that the judge was trained on", IMAGES)


EVALUATOR = Evaluator("the classes of generated images", GENERATION, _figures)
