"""Error of each slice (a camera, site or date of the label file), and the worst one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from ssgan_tf.metrics.evaluators.evaluator import Evaluator
from ssgan_tf.metrics.figures import CLASSIFICATION, TABLE, TEXT, Figure
from ssgan_tf.metrics.intervals import variance_inflation
from ssgan_tf.metrics.slices import slice_rows, worst_slice


def _figures(
    probabilities: np.ndarray,
    labels: np.ndarray,
    folds: np.ndarray | None,
    slices: Mapping[str, np.ndarray],
    slices_left_out: str,
) -> Iterator[Figure]:
    if slices:
        wrong = probabilities.argmax(axis=1) != labels
        rows = slice_rows(slices, wrong, variance_inflation(wrong, folds))
        yield Figure(
            "slices",
            rows,
            "errors by slice",
            TABLE,
            "chance: that of so many mistakes if the slice erred as the others of its column, by Holm's "
            "correction",
        )
        yield Figure("worst_slice", worst_slice(rows), "the worst slice", TEXT)
    if slices_left_out:
        yield Figure("slices_left_out", slices_left_out, "no slices", TEXT)


EVALUATOR = Evaluator("the slices", CLASSIFICATION, _figures)
