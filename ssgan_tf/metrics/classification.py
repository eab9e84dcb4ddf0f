"""Classification metrics from class probabilities; the fake class is never among them.

scikit-learn computes what it has; the rest is written out with its source.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, log_loss, precision_recall_fscore_support

from ssgan_tf.metrics.calibration import brier_score, expected_calibration_error


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities float64 [N, K] of logits [N, K]."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def classification_metrics(
    probabilities: np.ndarray, labels: np.ndarray, class_names: Sequence[str], bins: int = 15
) -> dict[str, Any]:
    """Computes the figures of `metrics.json`.

    Args:
        probabilities: [N, K], rows sum to 1.
        labels: int [N] in [0, K).
        class_names: K names.
        bins: bins of the expected calibration error.

    Returns:
        `error` (a fraction), its 95 % Wilson interval, `negative_log_likelihood` (nats), `brier`,
        `expected_calibration_error`, `confusion_matrix` (rows: true class) and `per_class`.
    """
    classes = np.arange(len(class_names))
    predicted = probabilities.argmax(axis=1)
    wrong = int((predicted != labels).sum())
    interval = binomtest(wrong, len(labels)).proportion_ci(method="wilson")
    precision, recall, f1, support = precision_recall_fscore_support(
        labels, predicted, labels=classes, zero_division=0.0
    )
    return {
        "error": wrong / len(labels),
        "error_interval": [float(interval.low), float(interval.high)],
        "wrong": wrong,
        "count": len(labels),
        "negative_log_likelihood": float(log_loss(labels, probabilities, labels=classes)),
        "brier": brier_score(probabilities, labels),
        "expected_calibration_error": expected_calibration_error(probabilities, labels, bins),
        "mean_confidence": float(probabilities.max(axis=1).mean()),
        "confusion_matrix": confusion_matrix(labels, predicted, labels=classes).tolist(),
        "per_class": {
            name: {
                "precision": float(precision[k]),
                "recall": float(recall[k]),
                "f1": float(f1[k]),
                "count": int(support[k]),
            }
            for k, name in enumerate(class_names)
        },
    }
