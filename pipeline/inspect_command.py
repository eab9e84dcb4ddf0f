"""`ganpipe inspect`: a look at a data set before anything is written."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import Any

import click

from pipeline import options
from pipeline.command_help import Command
from pipeline.inspecting.settings import InspectConfig
from pipeline.stages.preprocess.settings import DataConfig
from pipeline.terminal import Terminal, quiet_libraries
from ssgan_tf.declare import build

_OF_THE_DATA = ("labels", "test_labels", "label_columns", "classes", "unlabelled_folders", "data_dir")
_CHECKS = ("schema", "strict")
_OF_THE_RECORDS = ("image_size", "channels", "resize", "background")
OPTIONS = (
    *(f"data.{name}" for name in (*_OF_THE_DATA, *_OF_THE_RECORDS, *_CHECKS)),
    *(f"inspect.{item.name}" for item in dataclasses.fields(InspectConfig)),
)


@click.command(cls=Command)
@click.argument("source", type=options.VALUES["data.dataset"], metavar="SOURCE")
@options.setting_options(*OPTIONS)
@options.output_options
def inspect(source: str, as_json: bool, quiet: bool, **values: Any) -> None:
    """Look at a data set before anything is written: classes, duplicates, what will be skipped, what it
    costs.

    SOURCE is what --dataset takes elsewhere; a folder of images may stand alone. It ends with the command to
    run next.

    \b
    ganpipe inspect photos --labels labels.csv --html photos.html
    ganpipe inspect mnist --json
    """
    chosen = options.settings_of(values)
    sections: dict[str, dict[str, Any]] = {"data": {}, "inspect": {}}
    for key, value in chosen.items():
        section, _, name = key.partition(".")
        sections[section][name] = value
    config = build(DataConfig, {"dataset": source, **sections["data"]}, "data")
    asked = build(InspectConfig, sections["inspect"], "inspect")
    with quiet_libraries(None):
        from pipeline.inspecting.inspection import inspect_source

        terminal = Terminal(sys.stderr, quiet)
        document = inspect_source(config, asked, given=sections["data"], terminal=terminal)
    if as_json:
        click.echo(json.dumps(document, indent=1))
