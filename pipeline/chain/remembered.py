"""What a working folder was last run with: the layer between the defaults and the command line.

settled = settle(workspace, overrides=["train.steps=1200"])
settled.notes                       # ["changed: train.steps 600 -> 1200"]
with remembering(workspace, settled.config, stage):
    ...                             # run it: the next command goes on from these settings
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.chain.config import (
    RunConfig,
    as_document,
    command_line,
    flat,
    get_setting,
    give_way,
    layered,
    read_settings,
)
from pipeline.chain.ownership import HEADER
from pipeline.chain.places import MANIFEST
from pipeline.chain.stages import STAGES, Stage
from pipeline.chain.yaml_numbers import yaml_text
from pipeline.errors import DataError, UsageError, writing_to
from pipeline.workspace import Workspace
from ssgan_tf.whole_files import write_whole

_SHOWN = 6


@dataclass(frozen=True)
class Settled:
    """The settings of a command, and what a user should know of how they came about, in sentences."""

    config: RunConfig
    notes: list[str]


def settle(
    workspace: Workspace,
    *,
    file: Path | None = None,
    afresh: bool = False,
    overrides: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
) -> Settled:
    """Builds a command's settings: defaults, then what the folder was last run with, then the command line.

    Args:
        workspace: the working folder.
        file: settings to take in place of the folder's.
        afresh: leave out the folder's.
        overrides: as for `load_config`.
        options: as for `load_config`.

    Raises:
        UsageError: as `load_config`.
    """
    below: dict[str, Any] = {}
    place = file or (workspace.config if not afresh and workspace.config.is_file() else None)
    if place:
        below = dict(read_settings(place))
    if place and not file:
        _check_remembered(workspace, below)
    above = command_line(overrides, options or {})
    gone = give_way(below, above) | _change_recipe(below, above)
    config = layered(below, above)
    notes = []
    if gone:
        words = ", ".join(f"{name}={value}" for name, value in gone.items())
        notes.append(f"left out, as it does not go with the command line: {words}")
    before = _remembered(workspace)
    if before is not None and (changes := _differences(before, config, gone)):
        more = f"; and {len(changes) - _SHOWN} more" if len(changes) > _SHOWN else ""
        notes.append(f"changed: {'; '.join(changes[:_SHOWN])}{more}")
    return Settled(config, notes)


@contextmanager
def remembering(workspace: Workspace, config: RunConfig, stage: Stage | None = None) -> Iterator[None]:
    """Writes into the folder what a command runs with; puts back what was there if it made nothing of it.

    A stage writes its own sections, so that one that tries something does not undo what others were told.

    Args:
        workspace: the working folder.
        config: of the command.
        stage: the only one that runs; None: all do.
    """
    with writing_to(workspace.root):
        before = workspace.config.read_bytes() if workspace.config.is_file() else None
        document = _document(workspace, config, stage)
        write_whole(workspace.config, HEADER + yaml_text(document))
    results = _results(workspace)
    try:
        yield
    except (UsageError, DataError):
        # settings that cannot work are not what the next command should go on from
        if _results(workspace) == results:
            if before is None:
                workspace.config.unlink(missing_ok=True)
            else:
                write_whole(workspace.config, before)
        raise


def _document(workspace: Workspace, config: RunConfig, stage: Stage | None) -> dict[str, Any]:
    document, before = as_document(config), _remembered(workspace)
    if stage is None or before is None:
        return document
    kept = as_document(before)
    for section in (stage.section, *(("recipe",) if stage.reads_recipe else ())):
        kept[section] = document[section]
    # a stage may look at one of the folder's draws; a draw that it makes beside them is the next one's
    if stage.once_a_draw and not before.seed <= config.seed < before.seed + before.draws:
        kept |= {"seed": config.seed, "draws": 1}
    return kept


def _remembered(workspace: Workspace) -> RunConfig | None:
    with contextlib.suppress(UsageError):
        return layered(_lasting(read_settings(workspace.config)))
    return None


def _check_remembered(workspace: Workspace, document: dict[str, Any]) -> None:
    document.update(_lasting(document))
    try:
        layered(document)
    except UsageError as error:
        raise UsageError(
            f"{str(workspace.config)!r}, what the folder was last run with: {error} Correct it, or say "
            "--defaults to start from the defaults."
        ) from None


def _lasting(document: Mapping[str, Any]) -> dict[str, Any]:
    """Leaves out what belongs to one call: earlier releases wrote that too."""
    lasting = dict(document)
    for stage in STAGES:
        fields = dataclasses.fields(stage.settings)
        passing = {item.name for item in fields if not item.metadata.get("remembered", True)}
        if isinstance(section := document.get(stage.section), Mapping):
            lasting[stage.section] = {name: v for name, v in section.items() if name not in passing}
    return lasting


def _change_recipe(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Leaves in a layer the settings of the recipe that the command line names; returns what it takes out.

    A baseline has those of its pair.
    """
    new = get_setting(above, "train.recipe")
    old = get_setting(below, "train.recipe") or RunConfig().train.recipe
    settings = get_setting(below, "recipe") or {}
    if not below or new in (None, old) or not isinstance(settings, Mapping):
        return {}
    from ssgan_tf.recipes import load_recipe

    if load_recipe(old).baseline == new:
        below["recipe"] = {**settings, "of": old}
    elif load_recipe(old).pair(settings) == new:
        below["recipe"] = {name: value for name, value in settings.items() if name != "of"}
    else:
        below["recipe"] = {}
        return {f"recipe.{name}": value for name, value in settings.items()}
    return {}


def _differences(before: RunConfig, after: RunConfig, known: Container[str]) -> list[str]:
    old, new = flat(as_document(before)), flat(as_document(after))
    return [
        f"{name} {_shown(old.get(name))} -> {_shown(new.get(name))}"
        for name in dict.fromkeys([*old, *new])
        if old.get(name) != new.get(name) and name not in known
    ]


def _shown(value: Any) -> str:
    return "default" if value is None else str(value)


def _results(workspace: Workspace) -> dict[Path, int]:
    found = (path for draw in workspace.draws() for path in draw.glob(f"**/{MANIFEST}"))
    return {path: path.stat().st_mtime_ns for path in found}
