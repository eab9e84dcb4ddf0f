"""The chain: for each node of a plan reuse what is there, or run the stage and publish its result."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.chain.artifacts import MANIFEST, find_damage, read_manifest, writing
from pipeline.chain.plan import Node
from pipeline.errors import UsageError, did_you_mean
from pipeline.terminal import Terminal

STAGES = ("preprocess", "train", "evaluate", "export")
ABSENT = "there is no result yet"


@dataclass(frozen=True)
class Decision:
    """What would happen to a node, and why: `reasons` is empty where its artifact is reused."""

    node: Node
    reasons: list[str]

    @property
    def reused(self) -> bool:
        """Whether the artifact that is there serves."""
        return not self.reasons


def decide(node: Node, force: Collection[str] = ()) -> Decision:
    """Compares a node's fingerprint with the artifact that is there."""
    if node.fingerprint.stage in force:
        return Decision(node, [f"--force {node.fingerprint.stage}"])
    manifest = read_manifest(node.folder)
    if manifest is None:
        return Decision(node, [ABSENT])
    if manifest.digest != node.fingerprint.digest:
        return Decision(node, manifest.fingerprint.differences(node.fingerprint))
    if damage := find_damage(node.folder, manifest):
        return Decision(node, [damage])
    return Decision(node, [])


def check_force(force: Collection[str]) -> None:
    """Checks the names given to --force.

    Raises:
        UsageError: one is no stage; names the nearest.
    """
    for name in force:
        if name not in STAGES:
            raise UsageError(
                f"--force wants a stage; got {name!r}.{did_you_mean(name, STAGES)} "
                f"Valid: {', '.join(STAGES)}."
            )


def check_same_dataset(nodes: Sequence[Node], workdir: Path, force: Collection[str] = ()) -> None:
    """Checks that a working folder is not about to lose a trained model to another data set.

    Raises:
        UsageError: what is there was trained on another data set, and --force does not name the stage.
    """
    for node in nodes:
        manifest = read_manifest(node.folder) if node.dataset else None
        before = manifest.summary.get("dataset") if manifest else None
        trained = any(node.folder.parent.glob(f"*/train/{MANIFEST}"))
        if trained and before not in (None, node.dataset) and node.fingerprint.stage not in force:
            raise UsageError(
                f"{str(workdir)!r} holds a model trained on the data set {before!r}; one on {node.dataset!r} "
                "would replace it. Give another --workdir, or go on with what is there (--config "
                f"{workdir / 'config.yaml'}), or say --force preprocess."
            )


def execute(node: Node, terminal: Terminal, force: Collection[str] = ()) -> dict[str, Any]:
    """Reuses or makes a node's artifact; returns its summary.

    Raises:
        GanpipeError: what the stage raises; nothing is published then.
    """
    decision = decide(node, force)
    if decision.reused:
        terminal.say(f"{node.name}: reused")
        manifest = read_manifest(node.folder)
        return dict(manifest.summary) if manifest else {}
    why = f" ({_in_short(decision.reasons)})" if decision.reasons != [ABSENT] else ""
    terminal.say(f"{node.name}: running{why}")
    summary: dict[str, Any] = {}
    if not node.publishes:
        terminal.say(f"{node.name}: helping the chief worker, which writes the result")
        with tempfile.TemporaryDirectory() as scratch:
            return node.action(Path(scratch), terminal)
    with writing(node.folder, node.fingerprint, resumable=node.resumable, summary=summary) as partial:
        summary.update(node.action(partial, terminal))
    return summary


def execute_all(
    nodes: Sequence[Node], terminal: Terminal, force: Collection[str] = ()
) -> dict[str, dict[str, Any]]:
    """Executes a plan in order; returns each node's summary by its name."""
    return {node.name: execute(node, terminal, force) for node in nodes}


def _in_short(reasons: Sequence[str], shown: int = 2) -> str:
    more = len(reasons) - shown
    return "; ".join(reasons[:shown]) + (f"; and {more} more (ganpipe explain)" if more > 0 else "")
