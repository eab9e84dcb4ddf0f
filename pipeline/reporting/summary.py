"""The end of a run in figures: errors over the draws with intervals, and where everything lies."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipeline.config import RunConfig, as_document
from pipeline.reporting.paired import (
    difference_over_draws,
    disagreement,
    mistakes_over_draws,
    verdict,
)
from pipeline.reporting.predictions import Predictions
from pipeline.terminal import Terminal

CONFIG_FILE = "config.yaml"
SUMMARY_FILE = "summary.json"


def save_config(config: RunConfig, workdir: Path) -> None:
    """Writes the full configuration of a run to WORKDIR/config.yaml."""
    import yaml

    path = workdir / CONFIG_FILE
    partial = path.with_name(path.name + ".partial")
    partial.write_text(yaml.safe_dump(as_document(config), sort_keys=False))
    partial.rename(path)


def summarise(config: RunConfig, workdir: Path, summaries: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Collects the test errors of all draws and writes WORKDIR/summary.json.

    Returns:
        `figures` (recipe to `errors`, a list over draws, with `mean` and `interval`), `paired_difference`
        (baseline minus semi-supervised over draws, and which test images only one of the two gets right),
        `generation` (recipe to the figures of its generated images, a list over draws), and the paths of
        what the run leaves behind.
    """
    seeds = range(config.seed, config.seed + config.draws)
    answers: dict[str, list[Predictions]] = {}
    errors: dict[str, list[float]] = {}
    generation: dict[str, list[Mapping[str, Any]]] = {}
    for name, summary in summaries.items():
        _, _, rest = name.partition("/")
        recipe, _, stage = rest.partition("/")
        if stage == "evaluate" and "error" in summary:
            errors.setdefault(recipe, []).append(summary["error"])
        if stage == "evaluate" and "generation" in summary:
            generation.setdefault(recipe, []).append(summary["generation"])
    figures = {}
    for recipe, values in errors.items():
        folders = [workdir / f"seed-{seed}" / recipe / "evaluate" for seed in seeds]
        answers[recipe] = [Predictions.load(folder) for folder in folders]
        mean, low, high = mistakes_over_draws(answers[recipe])
        figures[recipe] = {"errors": values, "mean": mean, "interval": _pair(low, high)}
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
        }
    first = summaries.get(f"seed-{config.seed}/data", {})
    document["splits"] = first.get("splits", {})
    document["classifier"] = _existing(workdir / f"seed-{config.seed}" / chosen / "export" / "classifier")
    document["generator"] = _existing(workdir / f"seed-{config.seed}" / chosen / "export" / "generator")
    path = workdir / SUMMARY_FILE
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(document, indent=1) + "\n")
    partial.rename(path)
    return document


def show_summary(summary: Mapping[str, Any], workdir: Path, terminal: Terminal) -> None:
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
    terminal.say(f"{'TensorBoard:':28}tensorboard --logdir {workdir}")
    if summary["classifier"]:
        terminal.say(f"{'serve it:':28}ganpipe serve {summary['classifier']}")


def _pair(low: float, high: float) -> list[float] | None:
    return None if math.isnan(low) else [low, high]


def _existing(path: Path) -> str | None:
    return str(path) if path.exists() else None
