"""Which model may be shipped, and shipping it: what is blessed must be what is pushed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from pipeline.chain.artifacts import read_manifest
from pipeline.errors import DataError, GateRefused
from pipeline.evaluated import read_stored
from pipeline.exported.layout import BLESSED_FILE, newest_version, read_confidence
from pipeline.exported.pushing import push
from pipeline.exported.shipped import write_answers
from pipeline.stages.evaluate import gate
from pipeline.stages.evaluate.settings import EvaluateConfig
from pipeline.stages.export.promises import OF_THE_PROMISE
from pipeline.stages.export.settings import ExportConfig
from pipeline.terminal import Terminal
from pipeline.workspace import BLESSING_FILE, CLASSIFIER

EVALUATE = "evaluate"
HOW = "`ganpipe evaluate --require error<=0.02` (or what you require) says whether it may be shipped"


def bless(settings: EvaluateConfig, evaluated: Path, terminal: Terminal) -> None:
    """Decides whether the model of an evaluation may be shipped, and writes it beside the evaluation.

    Raises:
        GateRefused: it may not; says why.
        UsageError, DataError: as `pipeline.stages.evaluate.gate.bless`.
    """
    manifest = read_manifest(evaluated)
    verdict = gate.bless(settings, evaluated, manifest.contents if manifest else "")
    if verdict is None:
        return
    for finding in verdict["findings"]:
        if finding["met"]:
            terminal.say(finding["text"])
    if verdict["blessed"]:
        terminal.say("blessed: it may be shipped (ganpipe export --push FOLDER)")
        return
    raise GateRefused(f"not blessed, so `ganpipe export --push` will not ship it:\n{_unmet(verdict)}")


def push_blessed(settings: ExportConfig, exported: Path, terminal: Terminal) -> None:
    """Copies the exported classifier into a folder of served versions, if it is blessed.

    Raises:
        GateRefused: it is not, or what is blessed is another model; says what to do.
        DataError: there is no classifier, or the folder cannot be written to.
    """
    evaluated, target = exported.with_name(EVALUATE), Path(settings.push or "").expanduser()
    verdict = _verdict(exported, evaluated)
    manifest = read_manifest(exported)
    number = manifest.summary.get("version") if manifest else None
    version = exported / CLASSIFIER / str(number)
    if not version.is_dir():
        raise DataError(f"there is no exported classifier in {str(exported)!r} to push.")
    if number is not None and newest_version(exported / CLASSIFIER) != version:
        terminal.say(f"version {number} of the export is pushed, which is not the highest there")
    told = read_confidence(version) or {}
    at = told.get("temperature")
    if at != verdict["temperature"]:
        raise GateRefused(
            f"nothing was pushed: the export is at the temperature {at}, and what is blessed at "
            f"{verdict['temperature']}. Run `ganpipe evaluate` again, then export."
        )
    required = {finding.get("figure") for finding in verdict["findings"]}
    if required & {*OF_THE_PROMISE} and not told.get("promise"):
        raise GateRefused(
            "nothing was pushed: what is blessed answers under a promise, and the export abstains at another "
            "threshold (--abstain-below). Leave that out, or require nothing of certified_coverage."
        )
    stored = read_stored(evaluated)

    def add(copy: Path) -> None:
        write_answers(copy, stored["digests"], stored["logits"].argmax(axis=1) == stored["labels"])
        shutil.copyfile(exported.with_name(BLESSING_FILE), copy / BLESSED_FILE)

    number, new = push(version, target, keep=settings.push_keep, add=add)
    if new:
        terminal.say(f"pushed to {target / str(number)}; `ganpipe rollback {target}` takes it back")
    else:
        terminal.say(f"{target / str(number)} is the same model already; nothing was pushed")


def _verdict(exported: Path, evaluated: Path) -> dict[str, Any]:
    """The verdict on what was exported.

    Raises:
        GateRefused: there is none, it is on another evaluation, or it is a no.
    """
    try:
        verdict = json.loads(exported.with_name(BLESSING_FILE).read_text())
        blessed, made_from = verdict["blessed"], verdict["made_from"]
    except (OSError, ValueError, KeyError, TypeError):
        raise GateRefused(f"nothing was pushed: the model is not blessed. {HOW}.") from None
    export, evaluation = read_manifest(exported), read_manifest(evaluated)
    if evaluation is None or made_from != evaluation.contents:
        raise GateRefused(f"nothing was pushed: the model was evaluated anew since it was blessed. {HOW}.")
    if export is None or export.read.get("metrics") != evaluation.contents:
        raise GateRefused(
            "nothing was pushed: the export was not made from the evaluation that is there. Run `ganpipe "
            "export` again."
        )
    if not blessed:
        raise GateRefused(f"nothing was pushed: the model is not blessed.\n{_unmet(verdict)}")
    return dict(verdict)


def _unmet(verdict: dict[str, Any]) -> str:
    """What of a verdict is a no, a line each."""
    return "\n".join(f"  {finding['text']}" for finding in verdict["findings"] if not finding["met"])
