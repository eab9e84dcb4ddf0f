"""What an evaluation left in its folder, read back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import DataError
from pipeline.workspace import METRICS_FILE, PREDICTIONS_FILE

if TYPE_CHECKING:
    import numpy as np

    from ssgan_tf.metrics.answers import Answers, Foreign

VALIDATION, CERTIFY = "validation", "certify"
"""The splits that the temperature and the promise come from."""
ASIDE = "{}_{}"
"""Name in `predictions.npz` of a split's labels or logits, where it is not the one tested on."""

SLICES, SLICE_VALUES, SLICES_LEFT_OUT = "slices", "slice_values", "slices_left_out"
"""Names in `predictions.npz` of the columns [C], of their values for each image [C, N], and of a sentence."""


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
    return _at(evaluated, metrics, temperature)


def _at(evaluated: Path, metrics: dict[str, Any], temperature: float) -> dict[str, Any]:
    from ssgan_tf.metrics.evaluators import evaluate
    from ssgan_tf.metrics.figures import CLASSIFICATION, DESCRIPTIONS, document

    answers = stored_answers(
        read_stored(evaluated),
        class_names=list(metrics["per_class"]),
        calibration_bins=metrics["calibration_bins"],
        asked=metrics.get("asked", {}),
        temperature=temperature,
    )
    values, described = document(CLASSIFICATION, evaluate(CLASSIFICATION, answers)[0])
    before = [row["name"] for row in metrics[DESCRIPTIONS] if row["section"] == CLASSIFICATION]
    gone = {*before, *(f"{name}_interval" for name in before)}
    kept = {name: value for name, value in metrics.items() if name not in gone}
    others = [row for row in metrics[DESCRIPTIONS] if row["section"] != CLASSIFICATION]
    return kept | values | {DESCRIPTIONS: described + others}


def read_stored(evaluated: Path) -> dict[str, np.ndarray]:
    """Reads `predictions.npz` of an evaluation's folder.

    Raises:
        DataError: it is missing or damaged.
    """
    from ssgan_tf.array_files import read_arrays

    path = evaluated / PREDICTIONS_FILE
    try:
        return read_arrays(path)
    except (OSError, ValueError) as error:
        raise DataError(f"the answers {str(path)!r} cannot be read: {error}.") from None


def stored_answers(
    stored: Mapping[str, np.ndarray],
    *,
    class_names: Sequence[str],
    calibration_bins: int,
    asked: Mapping[str, Any],
    temperature: float | None,
) -> Answers:
    """The answers of an evaluation, for its evaluators.

    Args:
        stored: what `predictions.npz` holds.
        class_names: K names.
        calibration_bins: bins of the calibration error.
        asked: `target_error`, `confidence` and `alpha`, as the settings have them.
        temperature: divides the logits; None: fitted where there are labels for it, else 1.
    """
    from ssgan_tf.metrics.answers import Answers, Labelled, choose_temperature
    from ssgan_tf.metrics.certificate import Asked

    aside = {
        name: Labelled(stored[ASIDE.format(name, "logits")], stored[ASIDE.format(name, "labels")])
        for name in (VALIDATION, CERTIFY)
        if ASIDE.format(name, "labels") in stored
    }
    tested, folds = Labelled(stored["logits"], stored["labels"]), stored.get("folds")
    target = asked.get("target_error")
    return Answers(
        logits=tested.logits,
        labels=tested.labels,
        class_names=class_names,
        calibration_bins=calibration_bins,
        temperature=choose_temperature(temperature, aside.get(VALIDATION), tested, folds),
        folds=folds,
        aside=aside.get(CERTIFY),
        asked=Asked(target, asked["confidence"]) if target is not None else None,
        alpha=asked.get("alpha"),
        slices=dict(zip(stored.get(SLICES, ()), stored.get(SLICE_VALUES, ()), strict=True)),
        slices_left_out=str(stored.get(SLICES_LEFT_OUT, "")),
        foreign=_foreign(stored),
    )


def _foreign(stored: Mapping[str, np.ndarray]) -> Foreign | None:
    if "foreign_scores" not in stored:
        return None
    from ssgan_tf.metrics.answers import Foreign
    from ssgan_tf.reference import SCORES

    familiar, foreign = (
        dict(zip(SCORES, stored[f"{name}_scores"], strict=True)) for name in ("familiar", "foreign")
    )
    return Foreign(familiar, foreign, str(stored["foreign_chosen"]), str(stored["foreign_source"]))
