"""Command-line options that are settings: one table from flag to dotted key, shared by the commands."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from pipeline.chain.config import declared
from pipeline.serving.settings import ServeConfig
from pipeline.stages.predict.settings import PredictConfig
from pipeline.workspace import DEFAULT

SERVE = tuple(f"serve.{item.name}" for item in dataclasses.fields(ServeConfig) if item.name != "model_dir")
PREDICT = tuple(f"predict.{item.name}" for item in dataclasses.fields(PredictConfig))
OUTSIDE_THE_CHAIN = {"predict": PredictConfig, "serve": ServeConfig}


def _declared(dotted: str) -> dataclasses.Field:
    section, _, name = dotted.rpartition(".")
    if section in OUTSIDE_THE_CHAIN:
        return next(item for item in dataclasses.fields(OUTSIDE_THE_CHAIN[section]) if item.name == name)
    found = declared(dotted)
    assert found, dotted
    return found


def setting_options(*dotted: str) -> Callable[[Callable], Callable]:
    """Adds one option for each dotted setting; its help text and default are the setting's own.

    The values arrive as keyword arguments named by the dotted key with "__" for the dot, as text, and
    the configuration checks them.
    """

    def decorate(command: Callable) -> Callable:
        for key in reversed(dotted):
            item = _declared(key)
            flag = "--" + key.rpartition(".")[2].replace("_", "-")
            text = item.metadata["help"]
            if isinstance(item.default, bool):
                option = click.option(f"{flag}/--no-{flag[2:]}", _parameter(key), default=None, help=text)
            else:
                if item.default is not None:
                    text = f"{text} [default: {item.default}]"
                option = click.option(flag, _parameter(key), default=None, metavar="VALUE", help=text)
            command = option(command)
        return command

    return decorate


class Folder(click.Path):
    """A folder's path; the empty one, of a shell variable that is not set, is a mistake."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuses an empty text."""
        if value == "":
            self.fail("it is empty, and must name a folder ('.' is the current one).", param, ctx)
        return super().convert(value, param, ctx)


workdir_option = click.option(
    "--workdir",
    type=Folder(path_type=Path),
    default=DEFAULT,
    show_default=True,
    help="Folder of the run.",
)


def place_options(command: Callable) -> Callable:
    """Adds --workdir, --config, --defaults, --set, --seed, --json and --quiet."""
    for option in (
        click.option("--quiet", is_flag=True, help="Show warnings and errors only."),
        click.option("--json", "as_json", is_flag=True, help="Print the result as JSON."),
        click.option(
            "--seed", "seed", default=None, metavar="N", help="Seed of draw and training. [default: 0]"
        ),
        click.option(
            "--set",
            "overrides",
            multiple=True,
            metavar="SECTION.KEY=VALUE",
            help="Any setting, for example train.steps=500; may be repeated.",
        ),
        click.option(
            "--defaults",
            "afresh",
            is_flag=True,
            help="Start from the defaults, not from what the folder was last run with.",
        ),
        click.option(
            "--config",
            "config_file",
            type=click.Path(path_type=Path),
            help="YAML file of settings, in place of what the folder was last run with.",
        ),
        workdir_option,
    ):
        command = option(command)
    return command


def settings_of(values: dict[str, Any]) -> dict[str, Any]:
    """Turns the keyword arguments of `setting_options` into dotted settings."""
    return {key.replace("__", "."): value for key, value in values.items() if value is not None}


def _parameter(dotted: str) -> str:
    return dotted.replace(".", "__")
