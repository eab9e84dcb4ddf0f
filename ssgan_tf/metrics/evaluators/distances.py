"""How far generated images lie from held-out real ones."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ssgan_tf.metrics.evaluators.evaluator import Evaluator
from ssgan_tf.metrics.figures import FRACTION, GENERATION, IMAGES, TEXT, Figure
from ssgan_tf.metrics.generation import frechet_distance, kernel_distance, precision_recall


# asked for in this order: where there are too few real images, nothing is generated
def _figures(
    real_features: np.ndarray,
    generated: np.ndarray,
    generated_features: np.ndarray,
    training_features: np.ndarray,
    kind_of_features: str,
) -> Iterator[Figure]:
    if not len(real_features) == len(generated_features) == len(training_features):
        raise ValueError("distances are compared between sets of one size")
    yield Figure("samples", len(generated), "generated images", IMAGES)
    yield Figure(
        "real_images",
        len(real_features),
        "real images beside them",
        IMAGES,
        "distances take as many held-out, generated and training images",
    )
    yield Figure("features", kind_of_features, "distances are between", TEXT)
    yield Figure(
        "frechet_distance",
        frechet_distance(real_features, generated_features),
        "Fréchet distance",
        caption="smaller is nearer to the real images",
    )
    yield Figure(
        "frechet_distance_of_training_images",
        frechet_distance(real_features, training_features),
        "that of training images",
        caption="what a perfect generator has",
    )
    yield Figure(
        "kernel_distance",
        kernel_distance(real_features, generated_features),
        "kernel distance",
        caption="smaller is nearer",
    )
    precision, recall = precision_recall(real_features, generated_features)
    yield Figure(
        "precision", precision, "precision", FRACTION, "share of the samples that lie among real images"
    )
    yield Figure(
        "recall",
        recall,
        "recall",
        FRACTION,
        "share of the real images that lie among samples: low where there is no variety",
    )


EVALUATOR = Evaluator("the distances to real images", GENERATION, _figures)
