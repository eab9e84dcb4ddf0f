"""Command-line options that are settings: one table from flag to dotted key, shared by the commands."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from pipeline.benchmark.settings import BenchmarkConfig
from pipeline.chain.config import RunConfig, declared, settings_class
from pipeline.command_help import Option
from pipeline.inspecting.settings import InspectConfig
from pipeline.option_values import Assignment, NamedSource, Place, Value, value_of
from pipeline.serving.settings import ServeConfig
from pipeline.sources.names import SOURCES
from pipeline.stages.predict.settings import PredictConfig
from pipeline.workspace import DEFAULT
from ssgan_tf.declare import FILE, FOLDER
from ssgan_tf.errors import UsageError
from ssgan_tf.recipe_texts import preset_names, setting_names
from ssgan_tf.recipes import recipe_names

SERVE = tuple(f"serve.{item.name}" for item in dataclasses.fields(ServeConfig) if item.name != "model_dir")
PREDICT = tuple(f"predict.{item.name}" for item in dataclasses.fields(PredictConfig))
OUTSIDE_THE_CHAIN: dict[str, type] = {
    "predict": PredictConfig,
    "serve": ServeConfig,
    "benchmark": BenchmarkConfig,
    "inspect": InspectConfig,
}
HEADINGS = {
    "": "run",
    "train": "training",
    "evaluate": "evaluation",
    "predict": "prediction",
    "serve": "model",
    "inspect": "inspection",
}
"""The heading of a section's settings in help, where it is not the section's name."""


def _presets(ctx: click.Context | None) -> list[str]:
    """Presets of the recipe that the command line names; of all recipes where it names none."""
    named = ctx.params.get(_parameter("train.recipe")) if ctx else None
    recipes = [named] if named in recipe_names() else recipe_names()
    return list(dict.fromkeys(preset for recipe in recipes for preset in preset_names(recipe)))


VALUES: Mapping[str, Value] = {
    "data.dataset": NamedSource(SOURCES, (name for name, takes_path in SOURCES.items() if takes_path)),
    "train.recipe": Value("TEXT", lambda ctx: recipe_names()),
    "train.preset": Value("TEXT", _presets),
}
"""Settings whose values something else than their own rule knows."""


def _declared(dotted: str) -> tuple[type, dataclasses.Field]:
    section, _, name = dotted.rpartition(".")
    if section in OUTSIDE_THE_CHAIN:
        cls = OUTSIDE_THE_CHAIN[section]
        return cls, next(item for item in dataclasses.fields(cls) if item.name == name)
    found = declared(dotted)
    assert found, dotted
    return settings_class(section), found


def setting_options(*dotted: str) -> Callable[[Callable], Callable]:
    """Adds one option for each dotted setting; its help text, default and heading are the setting's own.

    The values arrive as keyword arguments named by the dotted key with "__" for the dot, as text, and
    the configuration checks them.
    """

    def decorate(command: Callable) -> Callable:
        for key in reversed(dotted):
            cls, item = _declared(key)
            flag = "--" + key.rpartition(".")[2].replace("_", "-")
            section = key.rpartition(".")[0]
            shared: dict[str, Any] = {
                "cls": Option,
                "default": None,
                "group": item.metadata.get("group") or HEADINGS.get(section, section),
            }
            text = item.metadata["help"] + _extra(item, flag)
            if isinstance(item.default, bool):
                option = click.option(f"{flag}/--no-{flag[2:]}", _parameter(key), help=text, **shared)
            else:
                value = VALUES.get(key) or value_of(cls, item)
                if item.metadata.get("repeated"):
                    shared["multiple"] = True
                option = click.option(flag, _parameter(key), type=value, help=text, **shared)
            command = option(command)
        return command

    return decorate


def _extra(item: dataclasses.Field, flag: str) -> str:
    """The default and the limits of a setting, in brackets."""
    default, rule = item.default, item.metadata.get("rule")
    if isinstance(default, bool):
        said = [f"default: {flag if default else '--no-' + flag[2:]}"]
    elif default is None or default == "":
        said = []
    else:
        said = [f"default: {default:g}" if isinstance(default, float) else f"default: {default}"]
    if rule is not None and rule.limits:
        said.append(rule.limits)
    return f"  [{'; '.join(said)}]" if said else ""


def workdir_options(default: Path, text: str) -> Callable[[Callable], Callable]:
    """Adds --workdir."""
    return click.option(
        "--workdir",
        cls=Option,
        group="output",
        type=Place(FOLDER),
        default=default,
        show_default=True,
        help=text,
    )


workdir_option = workdir_options(DEFAULT, "folder of the run")


def output_options(command: Callable) -> Callable:
    """Adds --json and --quiet."""
    for option in (
        click.option(
            "--quiet", cls=Option, group="output", is_flag=True, help="show warnings and errors only"
        ),
        click.option(
            "--json", "as_json", cls=Option, group="output", is_flag=True, help="print the result as JSON"
        ),
    ):
        command = option(command)
    return command


def layer_options(command: Callable) -> Callable:
    """Adds --config and --set."""
    for option in (
        click.option(
            "--set",
            "overrides",
            cls=Option,
            group="run",
            type=Assignment(_keys, _value_of_key),
            multiple=True,
            help="any setting, for example train.steps=500; may be repeated",
        ),
        click.option(
            "--config",
            "config_file",
            cls=Option,
            group="run",
            type=Place(FILE),
            help="YAML file of settings, in place of what the folder was last run with",
        ),
    ):
        command = option(command)
    return command


def place_options(command: Callable) -> Callable:
    """Adds --workdir, --config, --set, --defaults, --seed, --json and --quiet."""
    for option in (
        output_options,
        click.option(
            "--seed",
            "seed",
            cls=Option,
            group="run",
            type=Value("INTEGER"),
            help="seed of the label draw and of training  [default: 0]",
        ),
        click.option(
            "--defaults",
            "afresh",
            cls=Option,
            group="run",
            is_flag=True,
            help="start from the defaults, not from what the folder was last run with",
        ),
        layer_options,
        workdir_option,
    ):
        command = option(command)
    return command


def _keys(ctx: click.Context) -> Iterator[str]:
    """Dotted names of all settings of a run; of a recipe those of the one that the command line names."""
    for item in dataclasses.fields(RunConfig):
        if item.name == "recipe":
            continue
        if dataclasses.is_dataclass(item.default):
            yield from (f"{item.name}.{below.name}" for below in dataclasses.fields(item.default))
        else:
            yield item.name
    named = ctx.params.get(_parameter("train.recipe"))
    try:
        yield from (
            f"recipe.{name}" for name in setting_names(str(named or _declared("train.recipe")[1].default))
        )
    except UsageError:
        return


def _value_of_key(key: str) -> Value | None:
    if key in VALUES:
        return VALUES[key]
    item = declared(key)
    return value_of(settings_class(key.rpartition(".")[0]), item) if item else None


def settings_of(values: dict[str, Any]) -> dict[str, Any]:
    """Turns the keyword arguments of `setting_options` into dotted settings."""
    # of an option that may be repeated there are several, or none
    joined = {key: ",".join(v) or None if isinstance(v, tuple) else v for key, v in values.items()}
    return {key.replace("__", "."): value for key, value in joined.items() if value is not None}


def _parameter(dotted: str) -> str:
    return dotted.replace(".", "__")
