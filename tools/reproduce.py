#!/usr/bin/env python3
"""Measures the recipes' documented results again, and writes a table of what was shown and what we got.

    python tools/reproduce.py gaussian gan --data-dir DATA
    python tools/reproduce.py all --data-dir DATA --steps 3000
    python tools/reproduce.py ssgan --data-dir DATA -- --preset small

Each recipe runs with its preset `documented` and the data that go with it (`Recipe.reproduction`). What
stands after `--` is added to its `ganpipe run`, so the last line measures another preset. DATA holds
MNIST's files in DATA/mnist; without --data-dir MNIST comes from tensorflow_datasets. The table is
WORKDIR/reproduction.md and .json. A run that is in the table already is skipped, and one that was
interrupted continues at its last checkpoint. Where both gan and dcgan are named, WORKDIR/side_by_side.png
shows dcgan's samples, gan's and real digits.

Cost: seconds (gaussian), minutes (gan), hours (the convolutional ones and improved-gan at full length).
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.evaluated import metrics_at
from pipeline.workspace import Model, Workspace
from ssgan_tf.errors import GanpipeError
from ssgan_tf.file_names import HISTORY, TRAINING
from ssgan_tf.metrics.figures import CLASSIFICATION, GENERATION, IMAGES, lines
from ssgan_tf.metrics.figures import in_words as words_for
from ssgan_tf.plots import grid
from ssgan_tf.recipes import load_recipe, recipe_names
from ssgan_tf.systems.recipe import Recipe
from ssgan_tf.whole_files import write_whole

TABLE = "reproduction"
ACCURACY = "discriminator/accuracy"
FLAGS = {
    "data.dataset": "--dataset",
    "data.labeled_rate": "--labeled-rate",
    "data.labels_per_class": "--labels-per-class",
    "train.preset": "--preset",
}


def main(arguments: list[str] | None = None) -> int:
    """Runs what is missing and writes the table; returns the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    own, more = (given[: given.index("--")], given[given.index("--") + 1 :]) if "--" in given else (given, [])
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipes", nargs="+", metavar="RECIPE", help="names of recipes, or all")
    parser.add_argument("--steps", type=int, help="a shorter budget; the table says so")
    parser.add_argument("--seeds", type=int, help="number of seeds; default: the recipe's")
    parser.add_argument("--workdir", type=Path, default=Path("reproduction"), help="[default: %(default)s]")
    parser.add_argument("--data-dir", type=Path, help="folder with MNIST's files in mnist/")
    parser.add_argument("--again", action="store_true", help="run what is in the table too")
    options = parser.parse_args(own)
    try:
        recipes = _chosen(options.recipes)
    except GanpipeError as error:
        parser.error(str(error))
    table = _read(options.workdir)
    folders = {}
    for recipe in recipes:
        command = run_options(recipe, options.data_dir, options.steps, more)
        seeds = options.seeds or recipe.reproduction.seeds  # type: ignore[union-attr]
        folder = options.workdir / _folder_name(recipe, options.steps, more)
        folders[recipe.name] = Workspace(folder)
        key = " ".join([recipe.name, *_without_paths(recipe, options.steps, more), f"seeds={seeds}"])
        if key in table and not options.again:
            print(f"{recipe.name}: in the table", file=sys.stderr)
            continue
        code = subprocess.call(
            [
                *(sys.executable, "-m", "pipeline.cli", "run", "--recipe", recipe.name, *command),
                *("--draws", str(seeds), "--workdir", str(folder)),
            ]
        )
        if code:
            print(f"{recipe.name}: ended with code {code}", file=sys.stderr)
            return code
        table[key] = measured(recipe, folder, options.steps, more, seeds)
        _write(options.workdir, table)
    if {"gan", "dcgan"} <= folders.keys():
        _compare([folders["dcgan"], folders["gan"]], options.workdir / "side_by_side.png")
    print((options.workdir / f"{TABLE}.md").read_text())
    return 0


def _chosen(names: list[str]) -> list[Recipe]:
    if "all" in names:
        names = [name for name in recipe_names() if load_recipe(name).reproduction]
    recipes = [load_recipe(name) for name in names]
    for recipe in recipes:
        if recipe.reproduction is None:
            raise GanpipeError(f"recipe {recipe.name} documents no result of its own.")
    return recipes


def run_options(recipe: Recipe, data_dir: Path | None, steps: int | None, more: list[str]) -> list[str]:
    """The options of `ganpipe run` for a recipe; later ones win."""
    mnist = f"idx:{data_dir / 'mnist'}" if data_dir else "tfds:mnist"
    return [*_documented(recipe, mnist), *(("--steps", str(steps)) if steps else ()), *more]


def _documented(recipe: Recipe, mnist: str) -> list[str]:
    """The recipe's settings as options: `--set` where a setting has no flag."""
    options: list[str] = []
    for name, value in recipe.reproduction.settings.items():  # type: ignore[union-attr]
        text = str(value).format(mnist=mnist)
        options += (FLAGS[name], text) if name in FLAGS else ("--set", f"{name}={text}")
    return options


def _without_paths(recipe: Recipe, steps: int | None, more: list[str]) -> list[str]:
    return [*_documented(recipe, "MNIST"), *(("--steps", str(steps)) if steps else ()), *more]


def _folder_name(recipe: Recipe, steps: int | None, more: list[str]) -> str:
    words = [recipe.name, *([str(steps)] if steps else []), *more]
    return "-".join("".join(c if c.isalnum() or c in "._=-" else "_" for c in word) for word in words)


def measured(recipe: Recipe, folder: Path, steps: int | None, more: list[str], seeds: int) -> dict[str, Any]:
    """Collects a finished run's row from the files that it left."""
    places = Workspace(folder)
    runs = [_one_seed(places.model(seed, Model(recipe.name))) for seed in range(seeds)]
    row: dict[str, Any] = {
        "recipe": recipe.name,
        "options": _without_paths(recipe, steps, more),
        "seeds": seeds,
        "original": recipe.reproduction.original,  # type: ignore[union-attr]
        "steps": runs[0]["steps"],
        "documented_steps": recipe.configure("documented", {}).steps,
        "seconds": float(np.mean([run["seconds"] for run in runs])),
        "examples_per_second": float(np.median([run["examples_per_second"] for run in runs])),
        "losses": _mean([run["losses"] for run in runs]),
        "classification": _mean([_classification(run["metrics"]) for run in runs]),
        "generation": _mean([run["metrics"].get(GENERATION, {}) for run in runs]),
        "figures": runs[0]["metrics"].get("figures", []),
        "machine": machine(),
        "date": datetime.date.today().isoformat(),
        "runs": runs,
    }
    if "error" in runs[0]["metrics"]:
        row["errors"] = [run["metrics"]["error"] for run in runs]
    if recipe.baseline:
        paths = [places.model(seed, Model(recipe.baseline, recipe.name)) for seed in range(seeds)]
        if paths[0].is_dir():
            row["baseline_errors"] = [_metrics(path)["error"] for path in paths]
    row["got"] = in_words(row)
    return row


def _one_seed(folder: Path) -> dict[str, Any]:
    with np.load(folder / "train" / HISTORY) as history:
        names, values = history["names"].tolist(), history["values"]
        ends, seconds = history["call_steps"], history["call_seconds"]
    settings = json.loads((folder / "train" / TRAINING).read_text())
    recipe = load_recipe(settings["recipe"])
    configured = recipe.configure("full", settings["settings"])
    # the last twentieth of the run: single steps are noisy
    late = values[-max(1, len(values) // 20) :].mean(0)
    counts = np.diff(ends, prepend=0)
    return {
        "steps": configured.steps,
        "seconds": float(seconds.sum()),
        # the first call traces
        "examples_per_second": configured.batch_size * float(np.median(counts[1:] / seconds[1:]))
        if len(ends) > 1
        else float("nan"),
        "losses": {
            name: float(value)
            for name, value in zip(names, late, strict=True)
            if name.endswith(("/loss", "accuracy"))
        },
        "metrics": _metrics(folder),
    }


def _metrics(folder: Path) -> dict[str, Any]:
    return metrics_at(folder / "evaluate")


def _classification(metrics: dict[str, Any]) -> dict[str, Any]:
    return {line.name: line.value for line in lines(metrics, CLASSIFICATION)}


def _mean(documents: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over seeds of every number and list of numbers; nested mappings and text are left out."""
    return {
        name: np.mean([document[name] for document in documents], axis=0).tolist()
        for name, value in documents[0].items()
        if isinstance(value, int | float | list)
    }


def _compare(runs: list[Workspace], path: Path) -> None:
    from PIL import Image

    from ssgan_tf.records import DatasetInfo, iterate_split

    folders = [run.model(0, Model(name)) for run, name in zip(runs, ("dcgan", "gan"), strict=True)]
    drawn = [sorted((folder / "train" / "samples").glob("step-*.png"))[-1] for folder in folders]
    real = next(iterate_split(DatasetInfo.load(runs[-1].data(0)), "test")).images[:16]
    Image.fromarray(side_by_side([*(np.asarray(Image.open(png)) for png in drawn), grid(real)])).save(path)


def side_by_side(pictures: list[np.ndarray]) -> np.ndarray:
    """Puts grey pictures uint8 [H, W] or [H, W, 1], of any sizes, beside each other, black around them."""
    flat = [picture.reshape(picture.shape[:2]) for picture in pictures]
    height = max(len(picture) for picture in flat)
    return np.hstack([np.pad(picture, ((0, height - len(picture)), (0, 8))) for picture in flat])[:, :-8]


def in_words(row: dict[str, Any]) -> str:
    """The row's figures in a line."""
    parts = []
    for name, key in (("test error", "errors"), ("baseline", "baseline_errors")):
        if key in row:
            parts.append(f"{name} {np.mean(row[key]):.2%}")
    means = {**row.get("classification", {}), GENERATION: row["generation"], "figures": row["figures"]}
    for line in lines(means):
        # how many images were looked at is no result
        if line.unit != IMAGES and line.name != "error":
            parts.append(f"{line.title} {words_for(line.value, line.unit)}")
    parts += [
        f"{name.removesuffix('/loss')} loss {value:.3f}"
        for name, value in row["losses"].items()
        if name.endswith("/loss")
    ]
    if ACCURACY in row["losses"]:
        parts.append(f"discriminator right {row['losses'][ACCURACY]:.1%}")
    return ", ".join(parts)


def machine() -> str:
    """The processor, its cores and the library, in words."""
    import tensorflow as tf

    model = platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = (line.partition(":") for line in info.read_text().splitlines())
        model = next((value.strip() for key, _, value in lines if key.strip() == "model name"), model)
    gpus = tf.config.list_physical_devices("GPU")
    graphics = f", {len(gpus)} GPU" if gpus else ""
    return f"{model}, {len(os.sched_getaffinity(0))} cores{graphics}, TensorFlow {tf.__version__}"


def _read(workdir: Path) -> dict[str, Any]:
    path = workdir / f"{TABLE}.json"
    return json.loads(path.read_text()) if path.exists() else {}


def _write(workdir: Path, table: dict[str, Any]) -> None:
    header = (
        *("recipe", "the original showed", "we got", "steps (documented)", "seeds"),
        *("seconds a seed", "examples/s", "options"),
    )
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    for row in table.values():
        cells = (
            row["recipe"],
            row["original"],
            row["got"],
            f"{row['steps']:,} ({row['documented_steps']:,})",
            str(row["seeds"]),
            f"{row['seconds']:,.0f}",
            f"{row['examples_per_second']:,.0f}",
            "`" + " ".join(row["options"]) + "`",
        )
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "Measured on: " + "; ".join(sorted({row["machine"] for row in table.values()})) + "."]
    for suffix, text in (("json", json.dumps(table, indent=1)), ("md", "\n".join(lines))):
        path = workdir / f"{TABLE}.{suffix}"
        write_whole(path, text + "\n")


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.exit(main())
