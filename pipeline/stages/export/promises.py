"""Which temperature and threshold an export has, and what of the evaluation's promises it may carry on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.stages.export.settings import ExportConfig
from ssgan_tf.metrics.figures import DESCRIPTIONS
from ssgan_tf.savedmodel import ALWAYS_ABSTAINS, Confidence

OF_THE_PROMISE = ("promise", "certificate", "certified_coverage")


def confidence_of(
    config: ExportConfig, metrics: Mapping[str, Any] | None
) -> tuple[Confidence, dict[str, Any] | None]:
    """Chooses temperature and threshold: those that are given, else those of the evaluation.

    A promise is of one threshold. Where another one is given, the promise is left out of the export. Where
    one was asked for and could not be given, the classifier abstains from everything.

    Args:
        config: what is given.
        metrics: of the evaluation, at the temperature of the export; None: there is none.

    Returns:
        How logits become answers, and the metrics without what does not hold for that.
    """
    if metrics is None:
        return Confidence(config.temperature or 1.0, config.abstain_below or 0.0), None
    temperature = config.temperature or metrics.get("temperature") or 1.0
    promise, sets = metrics.get("certificate"), metrics.get("label_sets")
    kept = dict(metrics)
    below = config.abstain_below
    if promise and below is None:
        below = ALWAYS_ABSTAINS if promise["threshold"] is None else promise["threshold"]
    elif promise and below != promise["threshold"]:
        promise = None
        kept = {name: value for name, value in kept.items() if name not in OF_THE_PROMISE}
        kept[DESCRIPTIONS] = [row for row in kept[DESCRIPTIONS] if row["name"] not in OF_THE_PROMISE]
    lows = tuple(sets["lows"]) if sets else ()
    return Confidence(temperature, below or 0.0, lows, promise, sets), kept
