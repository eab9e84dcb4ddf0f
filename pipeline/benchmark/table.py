"""The table of a benchmark: what came of each recipe at each budget, over the draws that are there."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from pipeline.benchmark.against import against
from pipeline.benchmark.cells import Cell, Planned
from pipeline.benchmark.curve import Gain, gain
from pipeline.benchmark.published import PUBLISHED, is_mnist
from pipeline.reporting.paired import difference_over_draws, disagreement, mistakes_over_draws, verdict
from pipeline.reporting.predictions import Predictions

Results = Mapping[Cell, Mapping[str, Any]]
RECIPE, BASELINE = "recipe", "baseline"


@dataclass(frozen=True)
class Spread:
    """Errors of several draws, fractions; `deviation` is of a sample, None for one draw."""

    mean: float
    deviation: float | None
    median: float
    worst: float

    @classmethod
    def of(cls, errors: Sequence[float]) -> Spread:
        """Of one error or more."""
        deviation = statistics.stdev(errors) if len(errors) > 1 else None
        return cls(statistics.fmean(errors), deviation, statistics.median(errors), max(errors))


def progress(results: Results, cell: Cell, total: int) -> str:
    """A finished cell in one line, with the means of its row so far.

    Args:
        results: of all cells that are there, this one among them.
        cell: the new one.
        total: how many cells there are to be.
    """
    row = [
        found
        for other, found in results.items()
        if (other.recipe, other.budget) == (cell.recipe, cell.budget)
    ]
    models = results[cell]["models"]
    parts = [f"{cell.recipe}, {cell.budget} labels a class, seed {cell.seed}: error {_with_baseline(models)}"]
    parts.append(f"{sum(model['seconds'] for model in models.values()):,.0f} s of training")
    if len(row) > 1:
        means = {
            role: {"error": statistics.fmean(found["models"][role]["error"] for found in row)}
            for role in models
        }
        parts.append(f"mean of {len(row)} draws {_with_baseline(means)}")
    return f"[{len(results)}/{total}] " + "; ".join(parts)


def _with_baseline(models: Mapping[str, Mapping[str, Any]]) -> str:
    text = f"{models[RECIPE]['error']:.2%}"
    return f"{text} (baseline {models[BASELINE]['error']:.2%})" if BASELINE in models else text


def make_document(jobs: Sequence[Planned], results: Results, *, dataset: str, curve: bool) -> dict[str, Any]:
    """Computes the table.

    The intervals are those of `ganpipe run`: of a mean over draws, and of the paired difference, both for the
    draws and for the test images.

    Args:
        jobs: all cells.
        results: what came of those that are there.
        dataset: the data set's full name.
        curve: whether learning curves are fitted.

    Returns:
        `rows` (one a recipe or variant and budget with a finished draw; where there are variants, all but
        the first have `against`, as the function returns it), `missing` (names of cells), `curves` (of each
        recipe and role what more labels would bring, or why nobody can tell), `published` (None where the
        images are not MNIST's), `code` (what made the results).
    """
    groups: dict[tuple[str, int], list[Planned]] = {}
    for job in jobs:
        if job.cell in results:
            groups.setdefault((job.cell.recipe, job.cell.budget), []).append(job)
    rows = [_row(group, results) for _, group in sorted(groups.items(), key=lambda item: item[0][1])]
    order = list(dict.fromkeys(job.cell.recipe for job in jobs))
    rows.sort(key=lambda row: order.index(row["recipe"]))
    for row in rows if _has_variants(jobs) else []:
        first = groups.get((order[0], row["labels_per_class"]))
        if first and row["recipe"] != order[0]:
            row["against"] = against(first, groups[row["recipe"], row["labels_per_class"]])
    return {
        "dataset": dataset,
        "seeds": sorted({job.cell.seed for job in jobs}),
        "rows": rows,
        "missing": [job.cell.name for job in jobs if job.cell not in results],
        "curves": _curves(rows) if curve else [],
        "published": _published(jobs, results, dataset),
        "code": _codes(results),
    }


def _has_variants(jobs: Sequence[Planned]) -> bool:
    return any(job.variant_of for job in jobs)


def _row(group: Sequence[Planned], results: Results) -> dict[str, Any]:
    found = [results[job.cell] for job in group]
    answers: dict[str, list[Predictions]] = {}
    row: dict[str, Any] = {
        "recipe": group[0].cell.recipe,
        "variant_of": group[0].variant_of,
        "labels_per_class": group[0].cell.budget,
        # classes whose images were too few, and copies, can make one draw's number differ
        "labels": max(one["labels"] for one in found),
        "seeds": [job.cell.seed for job in group],
        "models": {},
    }
    for model in group[0].models():
        role = BASELINE if model.pair else RECIPE
        answers[role] = [
            Predictions.load(job.workspace.result(job.cell.seed, model, "evaluate")) for job in group
        ]
        errors = [one["models"][role]["error"] for one in found]
        _, low, high = mistakes_over_draws(answers[role])
        row["models"][role] = {
            "name": model.recipe,
            "errors": errors,
            **vars(Spread.of(errors)),
            "interval": [low, high],
            "seconds": statistics.fmean(one["models"][role]["seconds"] for one in found),
            "steps": sorted({one["models"][role]["steps"] for one in found}),
            "test_images": min(one["models"][role]["test_images"] for one in found),
            "folds": found[0]["models"][role]["folds"],
        }
    if BASELINE in answers:
        row["difference"] = _difference(row, answers)
    return row


def _difference(row: Mapping[str, Any], answers: Mapping[str, list[Predictions]]) -> dict[str, Any]:
    own, other = (row["models"][role] for role in (RECIPE, BASELINE))
    mean, low, high = difference_over_draws(answers[RECIPE], answers[BASELINE])
    several = len(own["errors"]) > 1
    paired = {
        "baseline": other["name"],
        "differences": [b - a for a, b in zip(own["errors"], other["errors"], strict=True)],
        "mean": mean,
        "interval": [low, high] if several else None,
        "by_draw": [asdict(disagreement(*both)) for both in zip(*answers.values(), strict=True)],
        "cross_fitted": own["folds"] is not None,
    }
    return {**paired, "verdict": verdict(paired)}


def _curves(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for recipe in dict.fromkeys(row["recipe"] for row in rows):
        own = [row for row in rows if row["recipe"] == recipe]
        for role in own[0]["models"]:
            common = sorted(set.intersection(*(set(row["seeds"]) for row in own)))
            errors = [
                [row["models"][role]["errors"][row["seeds"].index(seed)] for row in own] for seed in common
            ]
            told = gain(
                [row["labels_per_class"] for row in own],
                np.array(errors).reshape(len(common), len(own)),
                min(row["models"][role]["test_images"] for row in own),
            )
            found.append({"recipe": recipe, "role": role, **_told(told)})
    return found


def _told(told: Gain | str) -> dict[str, Any]:
    if isinstance(told, str):
        return {"sentence": told}
    return {
        "sentence": told.sentence(),
        "law": told.law.in_words(told.parts),
        "a": told.law.a,
        "b": told.law.b,
        "c": told.law.c,
        "intervals": {name: list(ends) for name, ends in told.parts.items()},
        "more": told.more,
        "drop": told.drop,
        "drop_interval": list(told.interval),
    }


def _published(jobs: Sequence[Planned], results: Results, dataset: str) -> list[dict[str, Any]] | None:
    first = next((job for job in jobs if job.cell in results), None)
    if first is None:
        return None
    tested = Predictions.load(first.workspace.result(first.cell.seed, first.models()[0], "evaluate"))
    if not is_mnist(dataset, tested.digests.tolist()):
        return None
    return [
        {
            "system": one.system,
            "source": one.source,
            "protocol": one.protocol,
            "labels": labels,
            "error": mean / 100,
            "deviation": deviation / 100,
        }
        for one in PUBLISHED
        for labels, (mean, deviation) in one.errors.items()
    ]


def _codes(results: Results) -> list[dict[str, Any]]:
    """Each recipe's code; several of one recipe where its cells were not all made by the same."""
    found = [{"recipe": cell.recipe, **result["code"]} for cell, result in results.items()]
    return [code for place, code in enumerate(found) if code not in found[:place]]


CELL_COLUMNS = (
    "recipe",
    "labels_per_class",
    "labels",
    "seed",
    "error",
    "baseline",
    "baseline_error",
    "difference",
    "test_images",
    "folds",
    "steps",
    "seconds",
    "baseline_seconds",
    "version",
    "commit",
    "code",
    "finished",
    "variant_of",
    "own_settings",
    "error_against_first",
)


def cells_csv(jobs: Sequence[Planned], results: Results, variants: Mapping[str, str]) -> str:
    """A row a cell that is there, as CSV with a header; errors as fractions.

    Args:
        jobs: all cells.
        results: what came of those that are there.
        variants: name to what it is in words.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, CELL_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for job in jobs:
        if (found := results.get(job.cell)) is None:
            continue
        own, other = found["models"][RECIPE], found["models"].get(BASELINE)
        row = {name: found[name] for name in ("recipe", "labels_per_class", "labels", "seed", "finished")}
        row |= {name: own[name] for name in ("error", "test_images", "folds", "steps", "seconds")}
        code = found["code"]
        row |= {"version": code["version"], "commit": code["commit"], "code": code["digest"]}
        if other:
            row |= {"baseline": other["name"], "baseline_error": other["error"]}
            row |= {"difference": other["error"] - own["error"], "baseline_seconds": other["seconds"]}
        if job.variant_of:
            row |= {"variant_of": job.variant_of, "own_settings": variants[job.cell.recipe]}
        first = results.get(replace(job.cell, recipe=jobs[0].cell.recipe))
        if _has_variants(jobs) and first and job.cell.recipe != jobs[0].cell.recipe:
            row["error_against_first"] = own["error"] - first["models"][RECIPE]["error"]
        writer.writerow(row)
    return text.getvalue()
