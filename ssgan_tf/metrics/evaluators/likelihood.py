"""Negative log-likelihood of the labels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from sklearn.metrics import log_loss

from ssgan_tf.metrics.evaluators.evaluator import Evaluator
from ssgan_tf.metrics.figures import CLASSIFICATION, NATS, Figure


def _figures(probabilities: np.ndarray, labels: np.ndarray) -> Iterator[Figure]:
    yield Figure(
        "negative_log_likelihood",
        float(log_loss(labels, probabilities, labels=np.arange(probabilities.shape[1]))),
        "negative log-likelihood",
        NATS,
        "mean over images of -log of the true class's probability; smaller is better",
    )


EVALUATOR = Evaluator("the negative log-likelihood", CLASSIFICATION, _figures)
