"""Confusion matrix, and precision, recall and F1 of each class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from ssgan_tf.metrics.evaluators.evaluator import Evaluator
from ssgan_tf.metrics.figures import CLASSIFICATION, TABLE, Figure
from ssgan_tf.metrics.intervals import share_interval, variance_inflation


def _figures(
    probabilities: np.ndarray, labels: np.ndarray, folds: np.ndarray | None, class_names: Sequence[str]
) -> Iterator[Figure]:
    classes, predicted = np.arange(len(class_names)), probabilities.argmax(axis=1)
    matrix = confusion_matrix(labels, predicted, labels=classes).tolist()
    yield Figure("confusion_matrix", matrix, "confusion matrix", TABLE, "rows: true class")
    precision, recall, f1, support = precision_recall_fscore_support(
        labels, predicted, labels=classes, zero_division=0.0
    )
    inflation = variance_inflation(predicted != labels, folds)
    rows = {
        name: {
            "precision": float(precision[k]),
            "recall": float(recall[k]),
            "recall_interval": list(share_interval(matrix[k][k], int(support[k]), inflation)),
            "f1": float(f1[k]),
            "count": int(support[k]),
        }
        for k, name in enumerate(class_names)
    }
    yield Figure("per_class", rows, "per class", TABLE)


EVALUATOR = Evaluator("the classes", CLASSIFICATION, _figures)
