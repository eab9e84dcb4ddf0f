"""The end of a run in figures: errors over the draws with intervals, and where everything lies."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipeline.chain.config import RunConfig
from pipeline.chain.plan import Node
from pipeline.reporting.lineage import check_results
from pipeline.reporting.paired import (
    better_baseline,
    difference_over_draws,
    disagreement,
    mistakes_over_draws,
    verdict,
)
from pipeline.reporting.predictions import Predictions
from pipeline.terminal import Terminal
from pipeline.workspace import CLASSIFIER, GENERATOR, Model, Workspace
from ssgan_tf.whole_files import write_whole


def summarise(
    config: RunConfig, workspace: Workspace, made: Sequence[tuple[Node, Mapping[str, Any]]]
) -> dict[str, Any]:
    """Collects the test errors of all draws and writes the summary into the working folder.

    Returns:
        `figures` (recipe to `errors`, a list over draws, with `mean` and `interval`; `classes` and
        `abstention` of the first draw, with intervals, and its `promise` in words; `cross_fitted` where it
        is), `paired_difference` (baseline minus semi-supervised over draws, and which test images only one of
        the two gets right),
        `generation` (recipe to the figures of its generated images, a list over draws), `export_baseline`
        (the command that exports the baseline, where that errs less), and the paths of what the run leaves
        behind.

    Raises:
        DataError: a result is missing or damaged, or was made from another one than that beside it.
    """
    seeds = range(config.seed, config.seed + config.draws)
    answers: dict[str, list[Predictions]] = {}
    errors: dict[str, list[float]] = {}
    generation: dict[str, list[Mapping[str, Any]]] = {}
    models: dict[str, Model] = {}
    first: dict[str, Mapping[str, Any]] = {}
    for node, summary in made:
        # what a fold found is part of the whole
        if node.stage.name != "evaluate" or node.model is None or node.fold is not None:
            continue
        recipe = node.model.recipe
        models[recipe] = node.model
        if "error" in summary:
            errors.setdefault(recipe, []).append(summary["error"])
            first.setdefault(recipe, summary)
        if "generation" in summary:
            generation.setdefault(recipe, []).append(summary["generation"])
    check_results(workspace, list(models.values()), seeds)
    figures = {}
    for recipe, values in errors.items():
        folders = [workspace.result(seed, models[recipe], "evaluate") for seed in seeds]
        answers[recipe] = [Predictions.load(folder) for folder in folders]
        mean, low, high = mistakes_over_draws(answers[recipe])
        figures[recipe] = {
            "errors": values,
            "mean": mean,
            "interval": [low, high],
            "cross_fitted": first[recipe].get("cross_fitted"),
            "classes": first[recipe]["per_class"],
            "abstention": first[recipe]["abstention"],
            "promise": _as_exported(first[recipe], config.export.abstain_below),
        }
    document: dict[str, Any] = {"seeds": list(seeds), "figures": figures, "generation": generation}
    chosen = config.train.recipe
    baseline = next((recipe for recipe in errors if recipe != chosen), None)
    if baseline and chosen in errors:
        differences = [b - a for a, b in zip(errors[chosen], errors[baseline], strict=True)]
        pair = answers[chosen], answers[baseline]
        mean, low, high = difference_over_draws(*pair)
        by_draw = [asdict(disagreement(*both)) for both in zip(*pair, strict=True)]
        document["paired_difference"] = {
            "baseline": baseline,
            "differences": differences,
            "mean": mean,
            "interval": _pair(low, high),
            "by_draw": by_draw,
            "cross_fitted": figures[chosen]["cross_fitted"] is not None,
        }
    better = better_baseline(document.get("paired_difference"))
    document["export_baseline"] = better and _export_command(workspace, better)
    whole = (summary for node, summary in made if node.fold is None)
    document["splits"] = next((summary["splits"] for summary in whole if "splits" in summary), {})
    exported = workspace.result(config.seed, models.get(chosen, Model(chosen)), "export")
    document["classifier"] = _existing(exported / CLASSIFIER)
    document["generator"] = _existing(exported / GENERATOR)
    write_whole(workspace.summary, json.dumps(document, indent=1) + "\n")
    return document


def show_summary(summary: Mapping[str, Any], workspace: Workspace, terminal: Terminal) -> None:
    """Prints the errors, whether the unlabelled images helped, and what to look at next."""
    terminal.say()
    rows = []
    for recipe, figure in summary["figures"].items():
        low, high = figure["interval"]
        spread = f"{low:.2%} to {high:.2%}"
        draws = ", ".join(f"{error:.2%}" for error in figure["errors"])
        rows.append((recipe, f"{figure['mean']:.2%}", spread, draws))
    if rows:
        terminal.table("test error", ("model", "mean", "95 % interval", "draws"), rows)
    crossed = next((f["cross_fitted"] for f in summary["figures"].values() if f["cross_fitted"]), None)
    if crossed:
        from ssgan_tf.metrics.figures import how_tested

        terminal.say(how_tested(crossed))
    if paired := summary.get("paired_difference"):
        terminal.say(verdict(paired))
    for recipe, figure in summary["figures"].items():
        if sentence := figure.get("promise"):
            terminal.say(f"{recipe}: {sentence}")
    if command := summary["export_baseline"]:
        terminal.say(f"The paired baseline errs less than what was exported. To export it: {command}")
    for label, key in (("classifier", "classifier"), ("generator", "generator")):
        if summary[key]:
            terminal.say(f"{label + ' (SavedModel):':28}{summary[key]}")
    terminal.say(f"{'report:':28}{summary['report']}")
    terminal.say(f"{'TensorBoard:':28}tensorboard --logdir {workspace.root}")
    if summary["classifier"]:
        terminal.say(f"{'serve it:':28}ganpipe serve {summary['classifier']}")


def _as_exported(metrics: Mapping[str, Any], given_below: float | None) -> str | None:
    """The promise in words, and that it is not of the export where that abstains at another threshold."""
    sentence, certificate = metrics.get("promise"), metrics.get("certificate")
    if not certificate or given_below in (None, certificate["threshold"]):
        return sentence
    return f"{sentence} It is not of what is exported, which abstains below {given_below:g}."


def _export_command(workspace: Workspace, recipe: str) -> str:
    return f"ganpipe export --workdir {shlex.quote(str(workspace.root))} --recipe {recipe}"


def _pair(low: float, high: float) -> list[float] | None:
    return None if math.isnan(low) else [low, high]


def _existing(path: Path) -> str | None:
    return str(path) if path.exists() else None
