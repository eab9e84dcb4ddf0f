"""`ganpipe predict`, `serve` and `rollback`: the commands that use an exported model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from pipeline import options
from pipeline.chain.ownership import check_working_folder
from pipeline.chain.remembered import settle
from pipeline.command_help import Command, Option
from pipeline.errors import UsageError
from pipeline.option_values import Place, Value
from pipeline.serving.settings import ServeConfig
from pipeline.stages.predict.settings import PredictConfig
from pipeline.terminal import Terminal, quiet_libraries
from pipeline.workspace import CLASSIFIER, Workspace
from ssgan_tf.declare import FILE, FOLDER, build


@click.command(cls=Command)
@click.argument("images", nargs=-1, required=True, type=Value(FILE), metavar="IMAGES...")
@click.option(
    "--model",
    cls=Option,
    group="prediction",
    type=Place(FOLDER),
    help="exported classifier  [default: that of the working folder]",
)
@options.workdir_option
@click.option(
    "--output",
    cls=Option,
    group="output",
    type=Place(FILE),
    help="file to write; default: standard output",
)
@click.option("--quiet", cls=Option, group="output", is_flag=True, help="show warnings and errors only")
@options.setting_options(*options.PREDICT)
def predict(images, model, workdir, output, quiet, **values) -> None:
    """Classify images: files, folders, patterns or TFRecords, to CSV, JSON lines or Parquet."""
    config = build(PredictConfig, _section(values, "predict"))
    given = click.get_current_context().get_parameter_source("workdir") is ParameterSource.COMMANDLINE
    if model and given:
        raise UsageError("--model and --workdir name two models: give one of them.")
    with quiet_libraries(None):
        model = model or classifier_of(Workspace(workdir))
        from pipeline.chain.ownership import files_of_runs
        from pipeline.stages.predict import stage

        terminal = Terminal(sys.stderr, quiet)
        protected = files_of_runs(model) if output and output.exists() else []
        stage.run(config, model=model, inputs=images, output=output, terminal=terminal, protected=protected)


def classifier_of(workspace: Workspace) -> Path:
    """The exported classifier of what a working folder was last run with."""
    from pipeline.chain.plan import chosen_model

    check_working_folder(workspace)
    config = settle(workspace).config
    return workspace.result(config.seed, chosen_model(config), "export") / CLASSIFIER


@click.command(cls=Command)
@click.argument("model_dir", type=Value(FOLDER), metavar="MODEL_DIR")
@options.setting_options(*options.SERVE)
def serve(model_dir, **values) -> None:
    """Serve an exported model over TensorFlow Serving's REST API, with a page at /.

    MODEL_DIR holds one numbered folder a version; its name is the model's, unless --name is given.
    """
    config = build(ServeConfig, {"model_dir": model_dir, **_section(values, "serve")})
    with quiet_libraries(None):
        from pipeline.serving.server import serve as run_server

        run_server(config, Terminal(sys.stderr))


@click.command(cls=Command)
@click.argument("model_dir", type=Place(FOLDER), metavar="MODEL_DIR")
def rollback(model_dir: Path) -> None:
    """Take the newest version in a folder of served ones back; servers then take the one before it.

    MODEL_DIR is what `ganpipe export --push` was given. The version stays there under another name, and its
    number is not used again.
    """
    with quiet_libraries(None):
        from pipeline.exported.pushing import TAKEN_BACK, roll_back

        gone, newest = roll_back(model_dir)
    click.echo(f"{model_dir}: version {newest} is the newest now; {gone} lies there as {gone}{TAKEN_BACK}")


def _section(values: dict[str, Any], section: str) -> dict[str, Any]:
    chosen = options.settings_of(values)
    return {key.removeprefix(f"{section}."): value for key, value in chosen.items()}
