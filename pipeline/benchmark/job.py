"""A whole benchmark: checked, planned, worked on, and its table written."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.benchmark import curve
from pipeline.benchmark.asked import Asked
from pipeline.benchmark.budgets import check_budgets, halvings, labels_there
from pipeline.benchmark.cells import FOLDER, Planned, plan_cells, workspaces
from pipeline.benchmark.claims import claimed_soon
from pipeline.benchmark.page import (
    against_sentences,
    columns,
    curve_sentences,
    markdown,
    page,
    sentences,
    table_rows,
)
from pipeline.benchmark.processes import work_in
from pipeline.benchmark.table import cells_csv, make_document, progress
from pipeline.benchmark.work import Board, work
from pipeline.chain.config import as_document
from pipeline.chain.folds import with_folds
from pipeline.chain.labels_needed import check_labels
from pipeline.chain.orchestrator import check_same_source
from pipeline.chain.ownership import HEADER as MARKED
from pipeline.chain.ownership import check_apart
from pipeline.chain.yaml_numbers import yaml_text
from pipeline.errors import TrainingDiverged, writing_to
from pipeline.interrupts import stop_on_signals
from pipeline.sources.catalog import bring, full_name, open_source
from pipeline.stages.preprocess.intake import admit_classes
from pipeline.terminal import Terminal
from pipeline.workspace import Workspace
from ssgan_tf.recipes import load_recipe
from ssgan_tf.whole_files import write_whole

NAME = "benchmark"
_CLAIM = f".{NAME}.claim"
# of the terminal's table, which is no wider than a screen
_SHOWN = (
    "recipe",
    "labels a class",
    "draws",
    "test error",
    "deviation",
    "worst",
    "95 %",
    "baseline",
    "difference, points",
)


def run_benchmark(root: Path, asked: Asked, terminal: Terminal, *, processes: int = 1) -> dict[str, Any]:
    """Makes what is missing of a benchmark and writes its table.

    Args:
        root: its folder.
        asked: what it is.
        terminal: gets a line a finished cell, and the table.
        processes: that work side by side; with one, it is this one.

    Returns:
        The table, as `benchmark.json` holds it.

    Raises:
        UsageError, DataError: before the long work, or where a cell cannot be made.
        TrainingDiverged: a cell's training; the table of the others is written.
        Interrupted: a signal; the same command goes on.
    """
    asked = check(asked, root, terminal)
    with stop_on_signals() as stop:
        jobs = plan_cells(asked.agreed(), root, stop)
        for workspace in {job.workspace.root: job.workspace for job in jobs}.values():
            nodes = [node for job in jobs if job.workspace == workspace for node in job.nodes]
            check_same_source(nodes, workspace)
        with writing_to(root):
            _lay_out(asked, root)
        board = Board(jobs, _teller(terminal, len(jobs)))
        missing = board.look(quietly=True)
        done, folder = len(jobs) - len(missing), root / FOLDER
        there = f", {done} of them there already" if done else ""
        terminal.say(f"{len(jobs)} cells{there}; what each has to say goes into {folder}/NAME.log")
        for name, words in asked.variants_in_words().items():
            terminal.say(f"  {name}: {words}")
        try:
            if missing and processes > 1:
                work_in(min(processes, len(missing)), board, root)
            elif missing:
                work(board)
        except TrainingDiverged:
            _finish(asked, root, board, terminal)
            raise
    return _finish(asked, root, board, terminal)


def check(asked: Asked, root: Path, terminal: Terminal) -> Asked:
    """Checks what can be known of the data before any image is read; returns it with its budgets.

    Raises:
        UsageError, DataError: the images cannot be had, have no or doubtful classes, or too few labels.
    """
    config = asked.config(asked.recipes[0], "all")
    data = config.data
    check_apart(config, Workspace(root))
    bring(data.dataset, data_dir=data.data_dir, terminal=terminal)
    source = open_source(data.dataset, **data.source_options)
    for name in asked.recipes:
        check_labels(source, data.dataset, load_recipe(asked.recipe_of(name)))
    admit_classes(source, terminal, dataset=data.dataset, yes=data.yes)
    left = labels_there(source, with_folds(config, source).data)
    if not asked.budgets:
        asked = replace(asked, budgets=halvings(left))
        terminal.say(f"label budgets of the curve: {', '.join(map(str, asked.budgets))} labels a class")
    check_budgets(asked.budgets, left, data.dataset)
    # not at the end of the long work only
    if asked.curve and (refused := curve.too_little(asked.budgets, asked.draws)):
        terminal.warn(refused)
    return asked


def _lay_out(asked: Asked, root: Path) -> None:
    """Writes what was asked for, and the settings of each working folder."""
    (root / FOLDER).mkdir(parents=True, exist_ok=True)
    with claimed_soon(root / _CLAIM):
        asked.save(root)
        for workspace, (name, budget) in workspaces(asked, root).items():
            workspace.root.mkdir(exist_ok=True)
            config = asked.config(name, budget)
            write_whole(workspace.config, MARKED + yaml_text(as_document(config)))
            workspace.log.touch()


def _teller(terminal: Terminal, total: int) -> Callable[..., None]:
    def tell(job: Planned, found: Mapping[str, Any], results: Mapping[Any, Mapping[str, Any]]) -> None:
        terminal.say(progress(results, job.cell, total))

    return tell


def _finish(asked: Asked, root: Path, board: Board, terminal: Terminal) -> dict[str, Any]:
    """Writes the table in all its forms, and shows it."""
    jobs: list[Planned] = list(board.jobs)  # type: ignore[arg-type]
    dataset = full_name(asked.settings["data"]["dataset"])
    document = make_document(jobs, board.results, dataset=dataset, curve=asked.curve)
    document["settings"] = asked.changed()
    document["variants"] = [
        {"name": name, "recipe": asked.variants[name], "own": asked.own[name], "words": words}
        for name, words in asked.variants_in_words().items()
    ]
    with writing_to(root), claimed_soon(root / _CLAIM):
        write_whole(root / f"{NAME}.json", json.dumps(document, indent=1) + "\n")
        write_whole(root / f"{NAME}.csv", cells_csv(jobs, board.results, asked.variants_in_words()))
        write_whole(root / f"{NAME}.md", markdown(document))
        # a path may hold bytes that are no text
        write_whole(root / f"{NAME}.html", page(document, asked, root).encode(errors="backslashreplace"))
    show(document, root, terminal)
    return document


def show(document: Mapping[str, Any], root: Path, terminal: Terminal) -> None:
    """Prints the table and what it says."""
    terminal.say()
    shown = [columns(document).index(name) for name in _SHOWN]
    if rows := [tuple(row[place] for place in shown) for row in table_rows(document)]:
        terminal.table("test error", _SHOWN, rows)
    for one in document["variants"]:
        terminal.say(f"{one['name']}: {one['words']}")
    for name, text in (*sentences(document), *against_sentences(document)):
        terminal.say(f"{name}: {text}")
    for name, text, _ in curve_sentences(document):
        terminal.say(f"{name}: {text}")
    for ending in ("html", "md", "json", "csv"):
        terminal.say(f"{root / f'{NAME}.{ending}'}")
