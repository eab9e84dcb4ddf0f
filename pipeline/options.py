"""Command-line options that are settings: one table from flag to dotted key, shared by the commands."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from pipeline.config import DataConfig, EvaluateConfig, ExportConfig, RunConfig, TrainConfig
from pipeline.serving.settings import ServeConfig
from pipeline.stages.predict.settings import PredictConfig

SERVE = tuple(f"serve.{item.name}" for item in dataclasses.fields(ServeConfig) if item.name != "model_dir")
PREDICT = tuple(f"predict.{item.name}" for item in dataclasses.fields(PredictConfig))
SECTIONS = {
    "data": DataConfig,
    "train": TrainConfig,
    "evaluate": EvaluateConfig,
    "export": ExportConfig,
    "predict": PredictConfig,
    "serve": ServeConfig,
}

DATA = (
    "data.dataset",
    "data.data_dir",
    "data.labels",
    "data.labels_per_class",
    "data.labeled_rate",
    "data.labelled_keys",
    "data.image_size",
    "data.channels",
    "data.background",
    "data.test_rate",
    "data.validation_rate",
    "data.shards",
    "data.strict",
    "data.runner",
    "data.workers",
)
TRAIN = (
    "train.recipe",
    "train.preset",
    "train.steps",
    "train.batch_size",
    "train.strategy",
    "train.replicas",
    "train.precision",
)


def _declared(dotted: str) -> Any:
    section, _, name = dotted.rpartition(".")
    cls = SECTIONS[section] if section else RunConfig
    return next(field for field in dataclasses.fields(cls) if field.name == name)


def setting_options(*dotted: str) -> Callable[[Callable], Callable]:
    """Adds one option for each dotted setting; its help text and default are the setting's own.

    The values arrive as keyword arguments named by the dotted key with "__" for the dot, as text, and
    `pipeline.config` checks them.
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


def place_options(command: Callable) -> Callable:
    """Adds --workdir, --config, --set, --seed, --json and --quiet."""
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
            "--config", "config_file", type=click.Path(path_type=Path), help="YAML file of settings."
        ),
        click.option(
            "--workdir",
            type=click.Path(path_type=Path),
            default=Path("ganpipe-run"),
            show_default=True,
            help="Folder of the run.",
        ),
    ):
        command = option(command)
    return command


def settings_of(values: dict[str, Any]) -> dict[str, Any]:
    """Turns the keyword arguments of `setting_options` into dotted settings, numbers parsed."""
    return {key.replace("__", "."): _number(value) for key, value in values.items() if value is not None}


def _parameter(dotted: str) -> str:
    return dotted.replace(".", "__")


def _number(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value
