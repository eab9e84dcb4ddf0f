"""Errors of parts of the tested images: those of one camera, site or date.

Each value of a column is held against the other images of the column, and the chance of so many mistakes is
corrected for the number of slices that were looked at, by Holm's procedure (Holm 1979, "A simple sequentially
rejective multiple test procedure", Scandinavian Journal of Statistics 6): with any dependence among the
slices, a slice is called worse although it is not in at most 5 % of all evaluations.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ssgan_tf.metrics.intervals import share_interval

LEVEL = 0.05
NO_VALUE = ""


def chance_of_more(wrong: int, count: int, others_wrong: int, others: int, inflation: float = 1.0) -> float:
    """How often a slice would have so many mistakes or more if it erred as the other images do: one-sided.

    Fisher's exact test (Fisher 1935); for cross-fitted answers, where that is larger, the score test of two
    shares, its variance inflated (`ssgan_tf.metrics.intervals.variance_inflation`). Alone that takes one
    mistake in a slice of a few images for more than chance: their number is far from normal.

    Args:
        wrong, count: mistakes and images of the slice.
        others_wrong, others: of the other images.
        inflation: of the variance, from 1.

    Returns:
        A probability; 1 where there are no other images.
    """
    from scipy.stats import hypergeom, norm

    if not count or not others:
        return 1.0
    total, mistakes = count + others, wrong + others_wrong
    exact = float(hypergeom.sf(wrong - 1, total, mistakes, count))
    share = mistakes / total
    variance = share * (1 - share) * (1 / count + 1 / others) * inflation
    if inflation == 1 or not variance:
        return exact
    return max(exact, float(norm.sf((wrong / count - others_wrong / others) / math.sqrt(variance))))


def holm(chances: Sequence[float]) -> list[float]:
    """Corrects probabilities for their number (Holm 1979): the i-th smallest of m times m - i, never falling.

    Args:
        chances: in [0, 1].

    Returns:
        Adjusted ones in the same order, in [0, 1]; none is smaller than what it was made from.
    """
    order = np.argsort(np.asarray(chances, np.float64), kind="stable")
    ascending = np.asarray(chances, np.float64)[order] * np.arange(len(order), 0, -1)
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(np.maximum.accumulate(ascending), 1.0) if len(order) else ascending
    return adjusted.tolist()


def slice_rows(
    slices: Mapping[str, np.ndarray], wrong: np.ndarray, inflation: float = 1.0
) -> list[dict[str, Any]]:
    """The error of each slice.

    Args:
        slices: column to the value of each image, text [N]; "" where it has none.
        wrong: whether each image is answered wrongly, bool [N].
        inflation: of the variance of a share, from 1.

    Returns:
        For each column and value, in this order: `column`, `value`, `count`, `wrong`, `error`,
        `error_interval` (Wilson's, 95 %), `error_of_others` (None where there are none), and `chance`, by
        Holm's correction over all slices.
    """
    rows: list[dict[str, Any]] = []
    for column, values in slices.items():
        for value in np.unique(values):
            inside = values == value
            count, mistakes = int(inside.sum()), int(wrong[inside].sum())
            others, others_wrong = len(wrong) - count, int(wrong.sum()) - mistakes
            rows.append(
                {
                    "column": column,
                    "value": str(value),
                    "count": count,
                    "wrong": mistakes,
                    "error": mistakes / count,
                    "error_interval": list(share_interval(mistakes, count, inflation)),
                    "error_of_others": others_wrong / others if others else None,
                    "chance": chance_of_more(mistakes, count, others_wrong, others, inflation),
                }
            )
    for row, chance in zip(rows, holm([row["chance"] for row in rows]), strict=True):
        row["chance"] = chance
    return rows


def worst_slice(rows: Sequence[Mapping[str, Any]]) -> str:
    """Names the slice with the largest error of those that err more than the others beyond chance, in a
    sentence.

    Where there is none, it says so, and which has the largest error.
    """
    compared = [row for row in rows if row["error_of_others"] is not None]
    if not compared:
        return "Each column has one value only among the tested images: there is nothing to compare."
    beyond = [row for row in compared if row["chance"] <= LEVEL]
    worst = max(beyond or compared, key=lambda row: (row["error"], row["count"]))
    low, high = worst["error_interval"]
    about = (
        f"{_name(worst)}: {worst['error']:.1%} ({worst['wrong']:,} of {worst['count']:,} images, 95 % "
        f"interval {low:.1%} to {high:.1%}), the others of its column {worst['error_of_others']:.1%}"
    )
    correction = f"Holm's correction for {len(rows):,} slices"
    if not beyond:
        return (
            f"No slice errs more than the others beyond chance ({correction}). The largest error has {about}."
        )
    more = f" {len(beyond) - 1:,} more do." if len(beyond) > 1 else ""
    return (
        f"The worst slice is {about}. If it erred as they do, so many mistakes would have a chance of "
        f"{worst['chance']:.2g} ({correction}).{more}"
    )


def _name(row: Mapping[str, Any]) -> str:
    return f"{row['column']} = {row['value']}" if row["value"] else f"{row['column']} without a value"
