"""A run's configuration: a section of settings for each stage, from defaults < YAML file < command line.

config = load_config(file=Path("run.yaml"), overrides=["train.steps=500"], options={...})
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.chain.stages import STAGES
from pipeline.errors import UsageError
from ssgan_tf.declare import at_least, build, setting, whole

LARGEST_SEED = 2**32 - 1


@dataclass(frozen=True)
class RunOptions:
    """What belongs to a run as a whole; `recipe` is checked by the recipe itself."""

    seed: int = setting(
        0,
        "seed of the label draw and of training",
        whole(0, LARGEST_SEED),
    )
    draws: int = setting(1, "label draws; draw i uses seed + i", at_least(1))
    baseline: bool = setting(True, "train the paired supervised baseline too")
    recipe: Mapping[str, Any] = field(default_factory=dict, metadata={"help": "recipe settings"})


if TYPE_CHECKING:

    class RunConfig(RunOptions):
        """`RunOptions`, and for each stage its settings by the name of its section."""

        def __getattr__(self, section: str) -> Any:
            """The settings of a stage."""

else:
    RunConfig = dataclasses.make_dataclass(
        "RunConfig",
        [(stage.section, stage.settings, stage.settings()) for stage in STAGES],
        bases=(RunOptions,),
        frozen=True,
    )


def load_config(
    *,
    file: Path | None = None,
    overrides: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
) -> RunConfig:
    """Builds the configuration: defaults, then `file`, then `overrides`, then `options`.

    Args:
        file: YAML mapping with the sections of `RunConfig`.
        overrides: texts `section.key=value`, the value in YAML.
        options: dotted keys to values, from the command line; None values are left out.

    Raises:
        UsageError: unknown key (with the nearest name), wrong type, or a value out of range.
    """
    document: dict[str, Any] = {}
    if file is not None:
        _merge(document, _read_yaml(file))
    for text in overrides:
        key, equals, value = text.partition("=")
        key = key.strip()
        if not equals or not key:
            raise UsageError(f"--set wants section.key=value, for example train.steps=500; got {text!r}.")
        parsed = _parse_yaml(value, f"--set {text}")
        # 2024 may be a folder's name
        keeps = isinstance(parsed, int | float) and _is_text(key)
        _put(document, key, value.strip() if keeps else parsed)
    for key, given in (options or {}).items():
        if given is not None:
            _put(document, key, given)
    config = build(RunConfig, document)
    check_together(config)
    return config


def check_together(config: RunConfig) -> None:
    """Checks settings that exclude each other.

    Raises:
        UsageError: two of them do.
    """
    if config.data.labels_per_class is not None and config.data.labeled_rate is not None:
        raise UsageError("give either data.labels_per_class or data.labeled_rate, not both.")
    if config.data.labelled_keys and (config.data.labels_per_class or config.data.labeled_rate):
        raise UsageError("data.labelled_keys says which labels are kept: leave out how many.")
    if config.train.epochs is not None and (config.train.steps is not None or "steps" in config.recipe):
        raise UsageError("give either train.epochs or a number of steps, not both.")
    if config.seed + config.draws - 1 > LARGEST_SEED:
        raise UsageError(
            f"draw i uses seed + i, which may be {LARGEST_SEED} at most; got seed {config.seed} and "
            f"{config.draws} draws."
        )


def as_document(config: Any) -> dict[str, Any]:
    """Returns a settings dataclass as plain nested mappings, for YAML, JSON and fingerprints."""
    return dataclasses.asdict(config)


def declared(dotted: str) -> dataclasses.Field | None:
    """The declaration of a setting by its dotted name; None where there is none."""
    section, _, name = dotted.rpartition(".")
    cls = _class_of(section)
    return next((item for item in dataclasses.fields(cls) if item.name == name), None) if cls else None


def _class_of(section: str) -> Any:
    classes: dict[str, Any] = {stage.section: stage.settings for stage in STAGES}
    return classes.get(section) if section else RunConfig


def _is_text(dotted: str) -> bool:
    if not declared(dotted):
        return False
    section, _, name = dotted.rpartition(".")
    hint = typing.get_type_hints(_class_of(section))[name]
    union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    kinds = typing.get_args(hint) if union else (hint,)
    return set(kinds) - {type(None)} == {str}


def _put(document: dict[str, Any], dotted: str, value: Any) -> None:
    *sections, last = dotted.split(".")
    for section in sections:
        # a section of a file may be there and empty
        if document.get(section) is None:
            document[section] = {}
        below = document[section]
        if not isinstance(below, dict):
            raise UsageError(f"setting {dotted!r}: {section!r} is not a section.")
        document = below
    document[last] = value


def _merge(into: dict[str, Any], other: Mapping[str, Any]) -> None:
    for key, value in other.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = dict(value) if isinstance(value, Mapping) else value


def _read_yaml(file: Path) -> Mapping[str, Any]:
    try:
        text = file.read_text()
    except OSError as error:
        raise UsageError(f"cannot read the configuration {str(file)!r}: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise UsageError(f"the configuration {str(file)!r} is no text in UTF-8.") from None
    document = _parse_yaml(text, str(file)) or {}
    if not isinstance(document, Mapping):
        raise UsageError(f"{str(file)!r} must hold a mapping of sections; got {document!r}.")
    return document


def _parse_yaml(text: str, place: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(f"{place} is not valid YAML: {error}") from None
