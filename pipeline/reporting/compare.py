"""Runs side by side on one page: errors with intervals, settings that differ, training curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.chain.config import as_document, flat
from pipeline.errors import UsageError
from pipeline.reporting import charts
from pipeline.reporting.paired import disagreement
from pipeline.reporting.predictions import Predictions, data_uri
from pipeline.reporting.runs import Run
from pipeline.reporting.templates import render
from pipeline.workspace import Model
from ssgan_tf.file_names import CURVES
from ssgan_tf.whole_files import write_whole

TEMPLATE = "compare.html"
MADE_HERE = '<meta name="generator" content="ganpipe runs">'


def check_page(page: Path, runs: Sequence[Run]) -> None:
    """Checks that a page of these runs may be written.

    Raises:
        UsageError: there are fewer than two runs, or the file is there and is no such page.
    """
    if len(runs) < 2:
        raise UsageError(f"a page compares two runs or more; {len(runs)} found.")
    if page.exists() and not (page.is_file() and MADE_HERE.encode() in page.read_bytes()[:1000]):
        raise UsageError(f"--page {str(page)!r} is there already, and is no page of runs. Name another file.")


def write_page(runs: Sequence[Run], page: Path) -> None:
    """Writes the page; it needs no other file and no network."""
    names = short_names([run.workspace.root for run in runs])
    errors = {
        f"{name}: {recipe}": figure.draws
        for name, run in zip(names, runs, strict=True)
        for recipe, figure in run.figures.items()
    }
    page.parent.mkdir(parents=True, exist_ok=True)
    values = {
        "names": names,
        "runs": list(zip(names, runs, strict=True)),
        "errors_chart": charts.errors_chart(errors) if errors else "",
        "common": _common(names, runs) if len(runs) == 2 else None,
        "settings": differing([run.config for run in runs]),
        "curves": [(name, _curves(run)) for name, run in zip(names, runs, strict=True)],
        "percent": "{:.2%}".format,
    }
    write_whole(page, render(TEMPLATE, values))


def short_names(folders: Sequence[Path]) -> list[str]:
    """As much of the end of each path as tells them apart."""
    for length in range(1, max(len(path.resolve().parts) for path in folders) + 1):
        names = ["/".join(path.resolve().parts[-length:]) for path in folders]
        if len(set(names)) == len(names):
            break
    return names


def differing(configs: Sequence[Any]) -> list[tuple[str, list[str]]]:
    """Lists the settings that are not the same in all configurations: name, and the value in each."""
    documents = [flat(as_document(config)) for config in configs]
    found = []
    for name in dict.fromkeys(name for document in documents for name in document):
        values = [document.get(name) for document in documents]
        if any(value != values[0] for value in values):
            found.append((name, ["default" if value is None else str(value) for value in values]))
    return found


def _common(names: Sequence[str], runs: Sequence[Run]) -> Mapping[str, Any] | None:
    """The images that both runs were tested on, in their first draws: which are right in one only."""
    import numpy as np

    figures = [run.own() for run in runs]
    if None in figures:
        return None
    first, second = (Predictions.load(figure.folders[0]) for figure in figures if figure)
    _, one, two = np.intersect1d(first.digests, second.digests, return_indices=True)
    if not len(one):
        return None
    found = disagreement(first.take(one), second.take(two))
    return {
        "images": len(one),
        "only": [(names[0], found.first_only), (names[1], found.second_only)],
        "chance": found.chance,
    }


def _curves(run: Run) -> list[tuple[str, str]]:
    recipe = run.config.train.recipe
    found = []
    for name, figure in run.figures.items():
        model = Model(name, None if name == recipe else recipe)
        curves = figure.folders[0].parent / "train" / CURVES
        if curves.is_file():
            found.append((model.recipe, data_uri(curves.read_bytes())))
    return found
