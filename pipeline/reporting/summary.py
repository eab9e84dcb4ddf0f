"""The end of a run in figures: errors over the draws with intervals, and where everything lies."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipeline.chain.config import RunConfig, as_document
from pipeline.chain.plan import Node
from pipeline.reporting.predictions import Predictions, disagreement
from pipeline.terminal import Terminal
from pipeline.workspace import CLASSIFIER, GENERATOR, Model, Workspace
from ssgan_tf.whole_files import write_whole


def save_config(config: RunConfig, workspace: Workspace) -> None:
    """Writes the full configuration of a run into its working folder."""
    import yaml

    write_whole(workspace.config, yaml.safe_dump(as_document(config), sort_keys=False))


def mean_interval(values: list[float]) -> tuple[float, float, float]:
    """Mean of the draws and its 95 % interval by Student's t; (mean, nan, nan) for one draw."""
    from scipy.stats import t

    mean = sum(values) / len(values)
    if len(values) < 2:
        return mean, math.nan, math.nan
    variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
    half = float(t.ppf(0.975, len(values) - 1)) * math.sqrt(variance / len(values))
    return mean, mean - half, mean + half


def summarise(
    config: RunConfig, workspace: Workspace, made: Sequence[tuple[Node, Mapping[str, Any]]]
) -> dict[str, Any]:
    """Collects the test errors of all draws and writes the summary into the working folder.

    Returns:
        `figures` (recipe to `errors`, a list over draws, with `mean` and `interval`), `paired_difference`
        (baseline minus semi-supervised over draws, and which test images only one of the two gets right),
        `generation` (recipe to the figures of its generated images, a list over draws), and the paths of
        what the run leaves behind.
    """
    seeds = range(config.seed, config.seed + config.draws)
    errors: dict[str, list[float]] = {}
    generation: dict[str, list[Mapping[str, Any]]] = {}
    models: dict[str, Model] = {}
    for node, summary in made:
        if node.stage.name != "evaluate" or node.model is None:
            continue
        recipe = node.model.recipe
        models[recipe] = node.model
        if "error" in summary:
            errors.setdefault(recipe, []).append(summary["error"])
        if "generation" in summary:
            generation.setdefault(recipe, []).append(summary["generation"])
    figures = {}
    for recipe, values in errors.items():
        mean, low, high = mean_interval(values)
        # Student's interval knows nothing of the ends of the scale
        interval = _pair(max(low, 0.0), min(high, 1.0)) if len(values) > 1 else None
        figures[recipe] = {"errors": values, "mean": mean, "interval": interval}
    document: dict[str, Any] = {"seeds": list(seeds), "figures": figures, "generation": generation}
    chosen = config.train.recipe
    baseline = next((recipe for recipe in errors if recipe != chosen), None)
    if baseline and chosen in errors:
        differences = [b - a for a, b in zip(errors[chosen], errors[baseline], strict=True)]
        mean, low, high = mean_interval(differences)
        by_draw = []
        for seed in seeds:
            folders = [workspace.result(seed, models[name], "evaluate") for name in (chosen, baseline)]
            by_draw.append(asdict(disagreement(*map(Predictions.load, folders))))
        document["paired_difference"] = {
            "baseline": baseline,
            "differences": differences,
            "mean": mean,
            "interval": _pair(low, high),
            "by_draw": by_draw,
        }
    document["splits"] = next((summary["splits"] for _, summary in made if "splits" in summary), {})
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
        interval = figure["interval"]
        spread = f"{interval[0]:.2%} to {interval[1]:.2%}" if interval else "one draw"
        draws = ", ".join(f"{error:.2%}" for error in figure["errors"])
        rows.append((recipe, f"{figure['mean']:.2%}", spread, draws))
    if rows:
        terminal.table("test error", ("model", "mean", "95 % interval", "draws"), rows)
    if paired := summary.get("paired_difference"):
        terminal.say(verdict(paired))
    for label, key in (("classifier", "classifier"), ("generator", "generator")):
        if summary[key]:
            terminal.say(f"{label + ' (SavedModel):':28}{summary[key]}")
    terminal.say(f"{'report:':28}{summary['report']}")
    terminal.say(f"{'TensorBoard:':28}tensorboard --logdir {workspace.root}")
    if summary["classifier"]:
        terminal.say(f"{'serve it:':28}ganpipe serve {summary['classifier']}")


def verdict(paired: Mapping[str, Any]) -> str:
    """Says in a sentence whether the unlabelled images helped, from `paired_difference` of a summary."""
    mean, interval = paired["mean"], paired["interval"]
    name = paired["baseline"]
    if not any(paired["differences"]):
        return f"No difference: in every draw the error is that of the paired baseline, {name}."
    side = "below" if mean > 0 else "above"
    points = f"{abs(mean) * 100:.2f} points {side} that of the paired baseline, {name}"
    if interval is None:
        chance = paired["by_draw"][0]["chance"]
        can = "can" if chance < 0.05 else "cannot"
        share = f"{chance:.1%}" if chance >= 0.001 else "less than 0.1%"
        return (
            f"The error is {points}; the test images {can} tell the two apart (by chance alone in "
            f"{share} of such tests). One draw: more show how far the labels matter."
        )
    inside = interval[0] <= 0 <= interval[1]
    sure = "within the noise of the draws" if inside else "more than the noise of the draws"
    return (
        f"The mean error is {points} (95 % interval of the difference "
        f"{interval[0] * 100:+.2f} to {interval[1] * 100:+.2f} points): {sure}."
    )


def _pair(low: float, high: float) -> list[float] | None:
    return None if math.isnan(low) else [low, high]


def _existing(path: Path) -> str | None:
    return str(path) if path.exists() else None
