"""Each row against the first one on the same draws: what an ablation is read for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from pipeline.benchmark.cells import Planned
from pipeline.reporting.paired import by_chance, certainty, difference_over_draws, disagreement
from pipeline.reporting.predictions import Predictions


def against(first: Sequence[Planned], other: Sequence[Planned]) -> dict[str, Any] | None:
    """Compares finished cells with those of the first row at the same budget.

    Args:
        first: cells of the first row.
        other: cells of another row.

    Returns:
        None where they have no draw in common that was tested on the same images; else `recipe` (the name
        of the first row), `seeds` (of the draws that both have), `differences` (by draw: the error minus that
        of the first row, fractions: below 0 the first row errs more), their `mean`, its 95 % `interval` (None
        for one draw), `by_draw` (who alone is right, on how many images), `cross_fitted`, and `verdict`.
    """
    answers = {job.cell.seed: _answers(job) for job in first}
    pairs = {
        job.cell.seed: (answers[job.cell.seed], _answers(job)) for job in other if job.cell.seed in answers
    }
    pairs = {seed: both for seed, both in pairs.items() if np.array_equal(both[0].digests, both[1].digests)}
    if not pairs:
        return None
    ones, others = zip(*pairs.values(), strict=True)
    mean, low, high = difference_over_draws(ones, others)
    paired = {
        "recipe": first[0].cell.recipe,
        "seeds": list(pairs),
        "differences": [float(one.right.mean() - two.right.mean()) for one, two in pairs.values()],
        "mean": mean,
        "interval": [low, high] if len(pairs) > 1 else None,
        "by_draw": [asdict(disagreement(two, one)) for one, two in pairs.values()],
        "cross_fitted": ones[0].folds is not None,
    }
    return {**paired, "verdict": _in_words(paired)}


def _answers(job: Planned) -> Predictions:
    return Predictions.load(job.workspace.result(job.cell.seed, job.models()[0], "evaluate"))


def _in_words(paired: dict[str, Any]) -> str:
    name, interval = paired["recipe"], paired["interval"]
    if not any(paired["differences"]):
        return f"against {name}: no difference; in every draw the error is the same."
    said = f"against {name}: {100 * paired['mean']:+.2f} points of error"
    if interval is None:
        return f"{said}; {by_chance(paired)}"
    low, high = interval
    sure = certainty(interval, len(paired["differences"]))
    return f"{said}, 95 % interval {100 * low:+.2f} to {100 * high:+.2f}: {sure}."
