"""The working folders below a place, and what came of each: for `ganpipe runs`.

All of it is read from the folders as they are now, also where stages ran one by one.
"""

from __future__ import annotations

import contextlib
import os
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline.chain.artifacts import check_lineage, read_manifest
from pipeline.chain.config import RunConfig, load_config
from pipeline.chain.leftovers import find_leftovers, in_words
from pipeline.chain.ownership import is_working_folder
from pipeline.chain.places import MANIFEST
from pipeline.errors import DataError, UsageError
from pipeline.evaluated import metrics_at
from pipeline.reporting.paired import mistakes_over_draws
from pipeline.reporting.predictions import Predictions
from pipeline.workspace import METRICS_FILE, Model, Workspace


@dataclass(frozen=True)
class Figure:
    """A model's test errors: of each draw with its interval over test images, and over draws.

    Attributes:
        draws: (error, low, high) of each draw, fractions.
        folders: of the evaluations.
        error: their mean.
        interval: 95 %, over draws where there are several.
    """

    draws: Sequence[tuple[float, float, float]]
    folders: Sequence[Path]
    error: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Run:
    """A working folder.

    Attributes:
        workspace: where it is.
        config: what it was last run with.
        figures: recipe to its test errors; the run's own recipe first, then its baselines.
        when: of its newest result.
        bytes: of all files, those with several names once.
        unfinished: what stopped training left, in words.
        problem: why a result of it cannot be read.
    """

    workspace: Workspace
    config: RunConfig
    figures: Mapping[str, Figure]
    when: datetime | None
    bytes: int
    unfinished: Sequence[str] = field(default_factory=list)
    problem: str | None = None

    def own(self) -> Figure | None:
        """The test errors of the recipe that it was last run with."""
        return self.figures.get(self.config.train.recipe)

    def baseline(self) -> Figure | None:
        """The test errors of its paired baseline."""
        return next((f for name, f in self.figures.items() if name != self.config.train.recipe), None)

    def document(self) -> dict[str, Any]:
        """All of it as plain values."""
        figures = {
            name: {"error": f.error, "interval": list(f.interval), "errors": [draw[0] for draw in f.draws]}
            for name, f in self.figures.items()
        }
        return {
            "folder": str(self.workspace.root),
            "dataset": self.config.data.dataset,
            "recipe": self.config.train.recipe,
            "figures": figures,
            "date": self.when.isoformat(timespec="seconds") if self.when else None,
            "bytes": self.bytes,
            "unfinished": list(self.unfinished),
            "problem": self.problem,
        }


def find_runs(places: Iterable[Path]) -> list[Run]:
    """Reads the working folders at and below some places, each once, in the order of their names.

    Raises:
        UsageError: a place is no folder.
    """
    found: dict[Path, Run] = {}
    for place in places:
        if not place.is_dir():
            raise UsageError(f"there is no folder {str(place)!r}.")
        for root in _working_folders(place):
            found.setdefault(root.resolve(), read_run(Workspace(root)))
    return list(found.values())


def read_run(workspace: Workspace) -> Run:
    """Reads a working folder."""
    config, problem = load_config(), None
    try:
        if workspace.config.is_file():
            config = load_config(file=workspace.config)
    except UsageError as error:
        problem = str(error)
    figures: dict[str, Figure] = {}
    for model in _models(workspace, config):
        try:
            if figure := _figure(workspace, model):
                figures[model.recipe] = figure
        except (DataError, OSError, ValueError, KeyError) as error:
            problem = problem or f"{model.recipe}: {error}"
    times = [path.stat().st_mtime for draw in workspace.draws() for path in draw.rglob(MANIFEST)]
    return Run(
        workspace=workspace,
        config=config,
        figures=figures,
        when=datetime.fromtimestamp(max(times)) if times else None,
        bytes=_bytes(workspace.root),
        unfinished=[in_words(item) for item in find_leftovers(workspace) if item.fingerprint],
        problem=problem,
    )


def _working_folders(place: Path) -> Iterator[Path]:
    for folder, below, files in os.walk(place):
        below[:] = sorted(name for name in below if not name.startswith("."))
        may_be = "config.yaml" in files or any(name.startswith("seed-") for name in below)
        if may_be and is_working_folder(Workspace(Path(folder))):
            below.clear()
            yield Path(folder)


def _models(workspace: Workspace, config: RunConfig) -> list[Model]:
    """The model of the run's recipe, and the baselines that lie below it."""
    recipe = config.train.recipe
    own = Model(recipe, config.recipe.get("of"))
    below = {
        path.parents[1].name
        for draw in workspace.draws()
        for path in (draw / own.path).glob(f"*/evaluate/{METRICS_FILE}")
    }
    return [own, *(Model(name, recipe) for name in sorted(below))]


def _figure(workspace: Workspace, model: Model) -> Figure | None:
    draws, folders = [], []
    for draw in workspace.draws():
        folder = draw / model.path / "evaluate"
        if not (folder / METRICS_FILE).is_file():
            continue
        metrics = metrics_at(folder)
        # an error of a model that was trained anew since is that of another one
        made = {"metrics": folder, "model": folder.parent / "train"}
        manifests = {name: (path, read_manifest(path)) for name, path in made.items()}
        check_lineage({name: (path, found.fingerprint) for name, (path, found) in manifests.items() if found})
        if "error" in metrics:
            draws.append((metrics["error"], *metrics["error_interval"]))
            folders.append(folder)
    if not draws:
        return None
    if len(draws) == 1:
        error, low, high = draws[0]
    else:
        error, low, high = mistakes_over_draws([Predictions.load(folder) for folder in folders])
    return Figure(draws, folders, error, (low, high))


def _bytes(root: Path) -> int:
    sizes: dict[tuple[int, int], int] = {}
    for folder, _, files in os.walk(root):
        for name in files:
            with contextlib.suppress(OSError):
                status = (Path(folder) / name).lstat()
                sizes[status.st_dev, status.st_ino] = status.st_size
    return sum(sizes.values())


def rows(runs: Sequence[Run]) -> list[tuple[str, ...]]:
    """A line of text for each run: see `HEADER`."""
    return [
        (
            str(run.workspace.root),
            run.config.data.dataset if len(run.config.data.dataset) <= _LONGEST else _short(run),
            run.config.train.recipe,
            _percent(run.own()),
            _percent(run.baseline()),
            run.when.strftime("%Y-%m-%d %H:%M") if run.when else "",
            f"{run.bytes / 2**20:.0f} MiB",
            textwrap.shorten(run.problem, _LONGEST_NOTE) if run.problem else "; ".join(run.unfinished),
        )
        for run in runs
    ]


HEADER = ("folder", "data", "recipe", "test error (95 %)", "baseline", "newest result", "size", "")
_LONGEST = 24
_LONGEST_NOTE = 100


def _short(run: Run) -> str:
    kind, _, place = run.config.data.dataset.partition(":")
    return f"{kind}:.../{Path(place).name}"


def _percent(figure: Figure | None) -> str:
    if figure is None:
        return ""
    low, high = figure.interval
    return f"{figure.error:.2%} ({low:.2%} to {high:.2%})"
