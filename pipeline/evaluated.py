"""What an evaluation left in its folder, read back."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pipeline.errors import DataError
from pipeline.workspace import METRICS_FILE, PREDICTIONS_FILE


def metrics_at(evaluated: Path, temperature: float | None = None) -> dict[str, Any]:
    """Reads the metrics of an evaluation, at the temperature of an export.

    Where the evaluation was made at another one, the classification figures are computed again from the
    stored logits.

    Args:
        evaluated: the evaluation's folder.
        temperature: divides the logits; None: that of the evaluation.

    Raises:
        DataError: a file is missing or damaged.
    """
    path = evaluated / METRICS_FILE
    try:
        metrics = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise DataError(f"the metrics {str(path)!r} cannot be read: {error}.") from None
    if temperature is None or metrics.get("temperature", temperature) == temperature:
        return metrics
    return metrics | _classification(evaluated, metrics, temperature)


def _classification(evaluated: Path, metrics: dict[str, Any], temperature: float) -> dict[str, Any]:
    import numpy as np

    from ssgan_tf.metrics.evaluators import evaluate
    from ssgan_tf.metrics.figures import CLASSIFICATION, DESCRIPTIONS, document
    from ssgan_tf.metrics.probabilities import softmax

    with np.load(evaluated / PREDICTIONS_FILE, allow_pickle=False) as stored:
        inputs = SimpleNamespace(
            probabilities=softmax(stored["logits"], temperature),
            labels=stored["labels"],
            folds=stored.get("folds"),
            class_names=list(metrics["per_class"]),
            calibration_bins=metrics["calibration_bins"],
        )
    values, described = document(CLASSIFICATION, evaluate(CLASSIFICATION, inputs)[0])
    others = [row for row in metrics[DESCRIPTIONS] if row["section"] != CLASSIFICATION]
    return values | {"temperature": temperature, DESCRIPTIONS: described + others}
