"""The chain: for each node of a plan reuse what is there, or run the stage and publish its result."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.chain.artifacts import Manifest, find_damage, made_anew, read_manifest
from pipeline.chain.places import MANIFEST, lock_of, locked
from pipeline.chain.plan import Node
from pipeline.chain.publishing import leftovers, tidy, writing
from pipeline.chain.stages import NAMES
from pipeline.errors import DataError, GateRefused, UsageError, did_you_mean, writing_to
from pipeline.terminal import Terminal
from pipeline.workspace import Workspace

ABSENT = "there is no result yet"


@dataclass(frozen=True)
class Decision:
    """What would happen to a node, and why.

    Attributes:
        node: the stage in its place.
        reasons: why it would run; empty where its artifact is reused.
        manifest: of the artifact that is there.
    """

    node: Node
    reasons: list[str]
    manifest: Manifest | None = None

    @property
    def reused(self) -> bool:
        """Whether the artifact that is there serves."""
        return not self.reasons


def decide(node: Node, force: Collection[str] = ()) -> Decision:
    """Compares a node's fingerprint with the artifact that is there."""
    if node.stage.name in force:
        return Decision(node, [f"--force {node.stage.name}"])
    manifest = read_manifest(node.folder)
    if manifest is None:
        return Decision(node, [ABSENT])
    if manifest.digest != node.fingerprint.digest:
        stands_for = manifest.summary.get("stands_for", {})
        there, wanted = (made.in_full(stands_for) for made in (manifest.fingerprint, node.fingerprint))
        return Decision(node, there.differences(wanted))
    if damage := find_damage(node.folder, manifest):
        return Decision(node, [damage])
    if node.also:
        return Decision(node, list(node.also))
    anew = [key for key, item in node.inputs.items() if item.folder and made_anew(manifest, key, item.folder)]
    if anew:
        return Decision(node, [f"input {key} was made anew" for key in anew])
    return Decision(node, [], manifest)


def check_force(force: Collection[str]) -> None:
    """Checks the names given to --force.

    Raises:
        UsageError: one is no stage; names the nearest.
    """
    for name in force:
        if name not in NAMES:
            raise UsageError(
                f"--force wants a stage; got {name!r}.{did_you_mean(name, NAMES)} Valid: {', '.join(NAMES)}."
            )


def check_same_source(nodes: Sequence[Node], workspace: Workspace, force: Collection[str] = ()) -> None:
    """Checks that a working folder is not about to lose a trained model to other data.

    Raises:
        UsageError: what is there was trained on another data set, with other labels, or on what the
            source held before it changed, and --force does not name the stage.
    """
    for node in nodes:
        # only what reads the source can replace its data; the others' folders need no look
        if not node.origin or node.stage.name in force:
            continue
        manifest = read_manifest(node.folder)
        if manifest is None or not any(node.folder.parent.glob(f"**/train/{MANIFEST}")):
            continue
        before = manifest.summary.get("origin", {})
        after = dict(node.origin)
        # the same content at another place is the same data set
        if manifest.fingerprint.inputs == node.fingerprint.inputs:
            continue
        if before.get("dataset") != after.get("dataset"):
            what = f"the data set {before.get('dataset')!r}; one on {after.get('dataset')!r}"
        elif before.get("labels") != after.get("labels"):
            what = f"labels from {before.get('labels')!r}; one with labels from {after.get('labels')!r}"
        elif before.get("test_labels") != after.get("test_labels"):
            what = (
                f"test labels from {before.get('test_labels')!r}; "
                f"one with test labels from {after.get('test_labels')!r}"
            )
        else:
            what = f"{after.get('dataset')!r} before its images or labels changed; a new one"
        raise UsageError(
            f"{str(workspace.root)!r} holds a model trained on {what} would replace it. Give another "
            "--workdir, or go on with what is there (train, evaluate and export alone, or the data set that "
            "it was trained on), or say --force preprocess."
        )


def execute(node: Node, terminal: Terminal, force: Collection[str] = ()) -> dict[str, Any]:
    """Reuses or makes a node's artifact; returns its summary.

    Raises:
        GanpipeError: what the stage raises; nothing is published then.
    """
    decision = decide(node, force)
    if decision.reused:
        terminal.say(f"{node.name}: reused")
        tidy(node.folder, node.fingerprint, node.stage.resumes_from)
        return dict(decision.manifest.summary) if decision.manifest else {}
    why = f" ({_in_short(decision.reasons)})" if decision.reasons != [ABSENT] else ""
    terminal.say(f"{node.name}: running{why}")
    if not node.publishes:
        terminal.say(f"{node.name}: helping the chief worker, which writes the result")
        with tempfile.TemporaryDirectory() as scratch:
            return node.action(Path(scratch), terminal)
    read = _contents_of_inputs(node)
    _tell_unfinished(node, terminal)
    summary: dict[str, Any] = {"origin": dict(node.origin)} if node.origin else {}
    with writing(
        node.folder,
        node.fingerprint,
        resumes_from=node.stage.resumes_from,
        summary=summary,
        read=read,
    ) as partial:
        summary.update(node.action(partial, terminal))
        # nothing keeps another run from replacing what this one reads
        if _contents_of_inputs(node) != read:
            raise _replaced(node, "an input")
    return summary


def execute_all(
    nodes: Sequence[Node], terminal: Terminal, force: Collection[str] = ()
) -> list[tuple[Node, dict[str, Any]]]:
    """Executes a plan in order; returns each node with its summary."""
    for node in nodes:
        node.prepare()
    return [(node, execute(node, terminal, force)) for node in nodes]


def finish(made: Sequence[tuple[Node, Mapping[str, Any]]], terminal: Terminal) -> GateRefused | None:
    """Does what is to be done with the results of the models that were asked for: bless, push.

    Returns:
        The first no of a check, for the end of the command: the others are done all the same.
    """
    refused = None
    asked_for = [node for node, _ in made if node.fold is None and node.publishes]
    first = min((node.seed for node in asked_for), default=0)
    paired = {node.model.recipe for node in asked_for if node.model and not node.model.pair}
    for node in asked_for:
        # a baseline is trained along; alone it is what was asked for. One model is pushed, not one a draw
        along = bool(paired) and node.model is not None and node.model.pair is not None
        if along or (node.seed != first and node.stage.name == NAMES[-1]):
            continue
        try:
            node.afterwards(terminal)
        except GateRefused as error:
            refused = refused or error
    return refused


def check_free(nodes: Sequence[Node]) -> None:
    """Checks that no other run is writing a result of the plan, before anything is written.

    Raises:
        DataError: one is; names the place.
    """
    for node in nodes:
        # a worker that helps another one stands beside it
        if node.publishes and lock_of(node.folder).exists():
            with writing_to(node.folder), locked(node.folder):
                pass


def _contents_of_inputs(node: Node) -> dict[str, str]:
    """Contents of the artifacts that a stage reads, which must be those that were planned.

    Otherwise its result would be said to be made from them.
    """
    contents = {}
    for key, item in node.inputs.items():
        if item.folder:
            manifest = read_manifest(item.folder)
            if manifest is None or manifest.digest != item.digest:
                raise _replaced(node, f"the {key} in {str(item.folder)!r}")
            contents[key] = manifest.contents
    return contents


def _replaced(node: Node, what: str) -> DataError:
    return DataError(
        f"{what} was replaced while {node.name} was made from it, by another ganpipe in the same working "
        "folder. Run it again, or give it a --workdir of its own."
    )


def _tell_unfinished(node: Node, terminal: Terminal) -> None:
    """Names what was begun with other settings: it is kept, and can be continued with those."""
    for leftover in leftovers(node.folder):
        fingerprint = leftover.fingerprint
        if fingerprint and fingerprint.digest != node.fingerprint.digest:
            changes = _in_short(fingerprint.differences(node.fingerprint))
            terminal.warn(
                f"an unfinished result of {node.stage.name} with other settings stays in "
                f"{str(leftover.path)!r} ({changes}). The command that began it continues it; "
                "`ganpipe clean` removes it."
            )


def _in_short(reasons: Sequence[str], shown: int = 2) -> str:
    more = len(reasons) - shown
    return "; ".join(reasons[:shown]) + (f"; and {more} more (ganpipe explain)" if more > 0 else "")
