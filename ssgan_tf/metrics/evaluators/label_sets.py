"""Sets of labels: what holds, and on the images tested on how often the true one remains, of how many."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import numpy as np

from ssgan_tf.metrics.conformal import LabelThresholds, labels_that_remain
from ssgan_tf.metrics.evaluators.evaluator import Evaluator
from ssgan_tf.metrics.figures import CLASSIFICATION, FRACTION, TABLE, TEXT, Figure


def _figures(
    label_sets: LabelThresholds | None, probabilities: np.ndarray, labels: np.ndarray
) -> Iterator[Figure]:
    if label_sets is None:
        return
    document = asdict(label_sets) | {"lows": list(label_sets.lows)}
    yield Figure("label_sets", document, "sets of labels", TABLE)
    yield Figure("labels_remaining", label_sets.sentence, "labels that remain", TEXT)
    if label_sets.lows:
        remain = labels_that_remain(probabilities, label_sets.lows)
        held = remain[np.arange(len(labels)), labels]
        yield Figure("set_coverage", float(held.mean()), "the true label remains", FRACTION)
        yield Figure("set_size", float(remain.sum(axis=1).mean()), "labels that remain, on average")


EVALUATOR = Evaluator("the sets of labels", CLASSIFICATION, _figures)
