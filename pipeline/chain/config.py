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
from pipeline.chain.yaml_numbers import parse_yaml
from pipeline.errors import UsageError
from ssgan_tf.declare import absolute, build, setting, several_paths, split_paths, whole

LARGEST_SEED = 2**32 - 1
# far beyond what an interval needs: a slip of the keys, which would be planned draw by draw
MOST_DRAWS = 1_000


@dataclass(frozen=True)
class RunOptions:
    """What belongs to a run as a whole; `recipe` is checked by the recipe itself."""

    seed: int = setting(
        0,
        "seed of the label draw and of training",
        whole(0, LARGEST_SEED),
    )
    draws: int = setting(1, "label draws; draw i uses seed + i", whole(1, MOST_DRAWS))
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


EXCLUSIVE = (
    ("data.labels_per_class", "data.labeled_rate", "data.labelled_keys"),
    ("train.steps", "train.epochs"),
)
"""Settings of which one is given: on the command line it takes the place of another of a layer below."""
OF_THE_DATA = tuple(
    f"data.{name}"
    for name in ("labels", "test_labels", "label_columns", "labelled_keys", "classes", "unlabelled_folders")
)
"""Settings about one data set: another one has its own."""


def load_config(
    *,
    file: Path | None = None,
    overrides: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
) -> RunConfig:
    """Builds the configuration: defaults, then `file`, then `overrides`, then `options`.

    Args:
        file: YAML mapping with the sections of `RunConfig`.
        overrides: texts `section.key=value`, the value in YAML; of a setting that is text, the text.
        options: dotted keys to values, from the command line; None values are left out.

    Raises:
        UsageError: unknown key (with the nearest name), wrong type, or a value out of range.
    """
    below = dict(read_settings(file)) if file is not None else {}
    above = command_line(overrides, options or {})
    give_way(below, above)
    return layered(below, above)


def command_line(overrides: Sequence[str], options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what a command line sets, as nested mappings; see `load_config`."""
    document: dict[str, Any] = {}
    for text in overrides:
        key, equals, value = text.partition("=")
        key = key.strip()
        if not equals or not key:
            raise UsageError(f"--set wants section.key=value, for example train.steps=500; got {text!r}.")
        _put(document, key, _text_of(value) if _is_text(key) else parse_yaml(value, f"--set {text}"))
    for key, given in options.items():
        if given is not None:
            _put(document, key, given)
    return document


def layered(*documents: Mapping[str, Any]) -> RunConfig:
    """Builds the configuration of layers, a later one over those before it.

    Raises:
        UsageError: as `load_config`.
    """
    document: dict[str, Any] = {}
    for layer in documents:
        _merge(document, layer)
    config = build(RunConfig, document)
    check_together(config)
    return config


def give_way(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Takes from a layer what the layer above it excludes; returns that, by its dotted names."""
    gone = [
        other
        for group in EXCLUSIVE
        for name in group
        if get_setting(above, name) is not None
        for other in group
        if get_setting(above, other) is None
    ]
    dataset, before = get_setting(above, "data.dataset"), get_setting(below, "data.dataset")
    if dataset is not None and before is not None and _whole(dataset) != _whole(before):
        gone += [name for name in OF_THE_DATA if get_setting(above, name) is None]
    taken = {name: value for name in gone if (value := get_setting(below, name)) is not None}
    for name in taken:
        _put(below, name, None)
    return taken


def get_setting(document: Mapping[str, Any], dotted: str) -> Any:
    """A setting in nested mappings; None where it is not there."""
    found: Any = document
    for part in dotted.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _whole(dataset: Any) -> Any:
    item = declared("data.dataset")
    return absolute(dataset, item.metadata["place"] if item else None)


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


def as_document(config: RunConfig) -> dict[str, Any]:
    """Returns a configuration as plain nested mappings that mean the same from any folder and process.

    Paths are whole; what belongs to one call only is left out.
    """
    document = dataclasses.asdict(config)
    for section, item in _sections():
        values = document[section]
        if item.metadata.get("remembered", True):
            values[item.name] = absolute(values[item.name], item.metadata.get("place"))
        else:
            del values[item.name]
    return document


def flat(document: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Returns nested mappings as one, by dotted names."""
    found: dict[str, Any] = {}
    for key, value in document.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return found


def places_in(config: RunConfig) -> list[str]:
    """Lists the files and folders that a configuration names, with their whole paths."""
    found: list[str] = []
    for section, item in _sections():
        value, place = getattr(getattr(config, section), item.name), item.metadata.get("place")
        if place and value is not None:
            path = place(absolute(value, place))[1]
            found += split_paths(path) if place is several_paths else [path]
    return [path for path in found if path]


def _sections() -> list[tuple[str, dataclasses.Field]]:
    return [(stage.section, item) for stage in STAGES for item in dataclasses.fields(stage.settings)]


def declared(dotted: str) -> dataclasses.Field | None:
    """The declaration of a setting by its dotted name; None where there is none."""
    section, _, name = dotted.rpartition(".")
    cls = settings_class(section)
    return next((item for item in dataclasses.fields(cls) if item.name == name), None) if cls else None


def settings_class(section: str) -> Any:
    """The class of a section's settings, of the run as a whole for ""; None where there is no such one."""
    classes: dict[str, Any] = {stage.section: stage.settings for stage in STAGES}
    return classes.get(section) if section else RunConfig


def _is_text(dotted: str) -> bool:
    if not declared(dotted):
        return False
    section, _, name = dotted.rpartition(".")
    hint = typing.get_type_hints(settings_class(section))[name]
    union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    kinds = typing.get_args(hint) if union else (hint,)
    return set(kinds) - {type(None)} == {str}


def _text_of(value: str) -> str | None:
    """A setting that is text, as it stands: `a #2.csv` or 2024 may be a file's name.

    Quotes around all of it are YAML's, and so is null, which takes back what a file gave.
    """
    value = value.strip()
    if value in ("", "~", "null"):
        return None
    if value[0] in "'\"" and value[-1] == value[0] and len(value) > 1:
        parsed = parse_yaml(value, f"the quoted text {value}")
        return parsed if isinstance(parsed, str) else value
    return value


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


def read_settings(file: Path) -> Mapping[str, Any]:
    """Reads a YAML file of settings, unchecked.

    Raises:
        UsageError: it cannot be read, or is no mapping in YAML.
    """
    try:
        text = file.read_text()
    except OSError as error:
        raise UsageError(f"cannot read the configuration {str(file)!r}: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise UsageError(f"the configuration {str(file)!r} is no text in UTF-8.") from None
    document = parse_yaml(text, str(file)) or {}
    if not isinstance(document, Mapping):
        raise UsageError(f"{str(file)!r} must hold a mapping of sections; got {document!r}.")
    return document
