"""Cells of a benchmark: one recipe on one label draw of one budget, with its paired baseline.

ROOT/labels-10/                              the working folder of a budget: `ganpipe run` goes on in it
ROOT/labels-10-narrow/                       that of the variant `narrow`: models of one recipe would mix
ROOT/labels-10/seed-0/data                   prepared once for all recipes
ROOT/labels-10/seed-0/ssgan/train, ...       as any run leaves it, without an export
ROOT/cells/ssgan-labels-10-seed-0.json       what came of it; .log beside it: what it had to say

A cell is planned and executed as `ganpipe run` does it: what is there is reused, what was begun is continued.
"""

from __future__ import annotations

import datetime
import functools
import importlib.metadata
import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.benchmark.asked import Asked
from pipeline.benchmark.claims import claimed
from pipeline.chain.code import ROOT
from pipeline.chain.fingerprints import Fingerprint
from pipeline.chain.orchestrator import decide, execute_all
from pipeline.chain.plan import Node, plan_run
from pipeline.interrupts import StopEvent
from pipeline.terminal import Terminal
from pipeline.workspace import Model, Workspace
from ssgan_tf.file_names import HISTORY
from ssgan_tf.whole_files import write_whole

FOLDER = "cells"
EXPORT = "export"


@dataclass(frozen=True)
class Cell:
    """One cell: recipe or variant, labels a class, seed of the draw."""

    recipe: str
    budget: int
    seed: int

    @property
    def name(self) -> str:
        """Of its files."""
        return f"{self.recipe}-labels-{self.budget}-seed-{self.seed}"


@dataclass(frozen=True)
class Planned:
    """A cell and where it is made.

    Attributes:
        cell: which.
        root: the benchmark's folder.
        nodes: the stages of its run, but for the export, which says nothing of errors.
        variant_of: the recipe, where the cell is of a variant.
    """

    cell: Cell
    root: Path
    nodes: Sequence[Node]
    variant_of: str | None = None

    @property
    def workspace(self) -> Workspace:
        """The working folder of its budget, or of its variant and budget."""
        return workspace_of(self.root, self.cell.budget, self.cell.recipe if self.variant_of else None)

    @property
    def result(self) -> Path:
        """The file of what came of it."""
        return self.root / FOLDER / f"{self.cell.name}.json"

    @property
    def log(self) -> Path:
        """The file of what it had to say."""
        return self.root / FOLDER / f"{self.cell.name}.log"

    @property
    def claim(self) -> Path:
        """Says who works on it."""
        return self.root / FOLDER / f".{self.cell.name}.claim"

    @property
    def data_claim(self) -> Path:
        """Says who prepares the data that it shares with other recipes."""
        return self.root / FOLDER / f".{self.workspace.root.name}-seed-{self.cell.seed}.data"

    @property
    def preparing(self) -> list[Node]:
        """The stages whose results other recipes read too."""
        return [node for node in self.nodes if node.stage.once_a_draw]

    def models(self) -> list[Model]:
        """The recipe's model, then its baseline's."""
        found = dict.fromkeys(node.model for node in self.nodes if node.model)
        return sorted(found, key=lambda model: model.pair is not None)

    def finished(self) -> Mapping[str, Any] | None:
        """What came of it, where all of it is there as it would be made now; else None."""
        try:
            document = json.loads(self.result.read_text())
        except (OSError, ValueError):
            return None
        if not isinstance(document, dict) or document.get("made") != self._fingerprints():
            return None
        return document if all(decide(node).reused for node in self.nodes) else None

    def _fingerprints(self) -> dict[str, str]:
        return {node.name: node.fingerprint.digest for node in self.nodes}

    def run(self) -> bool:
        """Makes what is missing, unless somebody else is at it or has done it; returns whether it did.

        Raises:
            GanpipeError: as the stages; Interrupted where the run is told to stop.
        """
        with claimed(self.claim) as mine:
            if not mine or self.finished():
                return False
            with self.log.open("a", encoding="utf-8") as log:
                terminal = Terminal(log)
                if not all(decide(node).reused for node in self.preparing):
                    with claimed(self.data_claim) as alone:
                        if not alone:
                            return False
                        execute_all(self.preparing, terminal)
                made = execute_all(self.nodes, terminal)
            document = {**self._summary(made), "made": self._fingerprints()}
            write_whole(self.result, json.dumps(document, indent=1) + "\n")
            return True

    def _summary(self, made: Sequence[tuple[Node, Mapping[str, Any]]]) -> dict[str, Any]:
        """Errors, cost and the code of it."""
        splits = next(
            summary["splits"] for node, summary in made if node.stage.once_a_draw and node.fold is None
        )
        models = {}
        for model in self.models():
            own = [(node, summary) for node, summary in made if node.model == model]
            tested = next(s for node, s in own if node.stage.name == "evaluate" and node.fold is None)
            trained = [(node, summary) for node, summary in own if node.stage.name == "train"]
            models["baseline" if model.pair else "recipe"] = {
                "name": model.recipe,
                "error": tested["error"],
                "test_images": tested["count"],
                "folds": (tested.get("cross_fitted") or {}).get("folds"),
                "steps": next(summary["steps"] for node, summary in trained if node.fold is None),
                "seconds": sum(training_seconds(node.folder) for node, _ in trained),
            }
        trained_by = next(node.fingerprint for node in self.nodes if node.stage.name == "train")
        return {
            "recipe": self.cell.recipe,
            "variant_of": self.variant_of,
            "labels_per_class": self.cell.budget,
            "labels": splits["train"]["labelled"],
            "seed": self.cell.seed,
            "models": models,
            "code": code_of(trained_by),
            "finished": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        }


def workspace_of(root: Path, budget: int, variant: str | None = None) -> Workspace:
    """The working folder of a budget, or of a variant at that budget."""
    return Workspace(root / (f"labels-{budget}-{variant}" if variant else f"labels-{budget}"))


def workspaces(asked: Asked, root: Path) -> dict[Workspace, tuple[str, int]]:
    """The working folders, each with the first recipe or variant that lies in it, and its budget."""
    found: dict[Workspace, tuple[str, int]] = {}
    for budget in asked.budgets:
        for name in asked.recipes:
            variant = name if name in asked.variants else None
            found.setdefault(workspace_of(root, budget, variant), (name, budget))
    return found


def plan_cells(asked: Asked, root: Path, stop: StopEvent | None = None) -> list[Planned]:
    """Plans all cells: every budget and recipe of the first draw, then of the next.

    Raises:
        UsageError, DataError: a setting, recipe or source is wrong; nothing has run.
    """
    nodes: dict[Cell, list[Node]] = {}
    for budget in asked.budgets:
        for recipe in asked.recipes:
            workspace = workspace_of(root, budget, recipe if recipe in asked.variants else None)
            for node in plan_run(asked.config(recipe, budget), workspace, stop):
                if node.stage.name != EXPORT:
                    nodes.setdefault(Cell(recipe, budget, node.seed), []).append(node)
    cells = [Cell(r, b, s) for s in asked.seeds for b in asked.budgets for r in asked.recipes]
    return [Planned(cell, root, nodes[cell], asked.variants.get(cell.recipe)) for cell in cells]


def training_seconds(folder: Path) -> float:
    """Seconds of all training calls of a train stage's result, also those before it was continued."""
    with np.load(folder / HISTORY) as history:
        return float(history["call_seconds"].sum())


def code_of(trained: Fingerprint) -> dict[str, Any]:
    """Which code made a result: the release, the commit of a checkout, and a digest of the files."""
    digest = Fingerprint(trained.stage, {}, {}, trained.code, trained.versions).digest
    return {"version": importlib.metadata.version("ganpipe"), "commit": _commit(), "digest": digest[:12]}


@functools.cache
def _commit() -> str | None:
    """The commit that is checked out, with "+" where files differ from it; None outside of a checkout."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(ROOT), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()

    if not (ROOT / ".git").exists():
        return None
    try:
        changed = git("status", "--porcelain", "--untracked-files=no", "--", "pipeline", "ssgan_tf")
        return git("rev-parse", "--short=10", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.SubprocessError):
        return None
