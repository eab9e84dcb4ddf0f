"""`ganpipe monitor`: do new images still look like those that an exported classifier was made for?"""

from __future__ import annotations

import json
import sys

import click
from click.core import ParameterSource

from pipeline import options
from pipeline.command_help import Command, Option
from pipeline.errors import GateRefused, UsageError
from pipeline.exported_commands import classifier_of
from pipeline.option_values import Place, Value
from pipeline.terminal import Terminal, quiet_libraries
from pipeline.workspace import Workspace
from ssgan_tf.declare import FILE, FOLDER

# the smallest adjusted p-value of three tests with 999 permutations: below it two of them would be silent
LOWEST_LEVEL = 0.003


@click.command(cls=Command)
@click.argument("images", nargs=-1, type=Value(FILE), metavar="[IMAGES]...")
@click.option(
    "--model",
    cls=Option,
    group="monitoring",
    type=Place(FOLDER),
    help="exported classifier  [default: that of the working folder]",
)
@click.option(
    "--inputs-log",
    cls=Option,
    group="monitoring",
    type=Place(FILE),
    help="what `ganpipe serve --inputs-log` wrote, in place of IMAGES",
)
@click.option(
    "--level",
    cls=Option,
    group="monitoring",
    type=Value("NUMBER"),
    default="0.05",
    help="false alarms among looks at images without a shift  [default: 0.05; 0.003<=x<1]",
)
@options.workdir_option
@options.output_options
def monitor(images, model, inputs_log, level, workdir, as_json, quiet) -> None:
    """Say whether images still look like those that an exported classifier was made for.

    Compares confidences, predicted classes and features with those kept in the export; ends with exit code
    5 where one of the three differs. IMAGES are files, folders, patterns or TFRecords, without labels.
    """
    given = click.get_current_context().get_parameter_source("workdir") is ParameterSource.COMMANDLINE
    if model and given:
        raise UsageError("--model and --workdir name two models: give one of them.")
    if bool(images) == bool(inputs_log):
        raise UsageError("give either IMAGES (files, folders, patterns) or --inputs-log FILE.")
    share = _level(level)
    with quiet_libraries(None):
        model = model or classifier_of(Workspace(workdir))
        from pipeline.monitoring import compared
        from pipeline.stages.predict.classifiers import find_version

        terminal = Terminal(sys.stderr, quiet)
        version = find_version(model)
        compared.read_reference(version)
        if inputs_log:
            from pipeline.monitoring.logged import read_log

            observed = read_log(inputs_log, version)
        else:
            from pipeline.monitoring.observed import observe

            observed = observe(version, images, terminal)
        found = compared.compare(version, observed, share)
        compared.show(found, terminal)
        if as_json:
            click.echo(json.dumps(found, indent=1))
        if found["shifted"]:
            raise GateRefused(found["sentence"])
        terminal.say(found["sentence"])


def _level(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not LOWEST_LEVEL <= value < 1:
        raise UsageError(f"--level must be a number from {LOWEST_LEVEL:g} to below 1; got {text!r}.")
    return value
