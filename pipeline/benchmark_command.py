"""`ganpipe benchmark`: recipes x label budgets x draws, and a table of their errors."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import click

from pipeline import options
from pipeline.benchmark.settings import BenchmarkConfig
from pipeline.chain.stages import STAGES
from pipeline.command_help import Command
from pipeline.session import session
from pipeline.workspace import Workspace
from ssgan_tf.declare import build

DEFAULT = Path("ganpipe-benchmark")
# what a cell is told by the benchmark, and what places a single worker
_NOT_A_CELLS = (
    "data.labels_per_class",
    "data.labeled_rate",
    "data.labelled_keys",
    "train.recipe",
    "train.workers",
    "train.worker_index",
    "train.port",
)


def _setting_names() -> tuple[str, ...]:
    own = [f"benchmark.{item.name}" for item in dataclasses.fields(BenchmarkConfig)]
    of_a_run = [key for stage in STAGES if stage.name in ("preprocess", "train") for key in stage.options]
    return (*own, *(key for key in of_a_run if key not in _NOT_A_CELLS), "baseline")


@click.command(cls=Command)
@options.setting_options(*_setting_names())
@options.output_options
@options.layer_options
@options.workdir_options(DEFAULT, "folder of the benchmark")
def benchmark(workdir: Path, as_json: bool, quiet: bool, config_file, overrides, **values: Any) -> None:
    """Compare recipes and label budgets over several draws, each cell with its paired baseline.

    A cell is what `ganpipe run` makes, without an export. The same command goes on where it was stopped;
    on machines that share the folder it may run at once. RECIPE.KEY in --set is a setting of one recipe, and
    NAME.KEY of a variant NAME=RECIPE.

    \b
    ganpipe benchmark --recipes ssgan,improved-gan --labels-per-class 2,5,10 --set improved-gan.width=0.5
    ganpipe benchmark --recipes ssgan,narrow=ssgan --labels-per-class 10 --set narrow.width=0.5
    ganpipe benchmark --dataset folder:photos --labels labels.csv --image-size 32 --curve
    """
    from pipeline.benchmark.asked import check_folder, settle

    with session(Workspace(workdir), quiet, check_folder) as terminal:
        from pipeline.benchmark.job import run_benchmark

        given = options.settings_of(values)
        own = {
            key.removeprefix("benchmark."): given.pop(key)
            for key in list(given)
            if key.startswith("benchmark.")
        }
        processes = build(BenchmarkConfig, own, "benchmark").processes
        asked = settle(workdir, own, file=config_file, overrides=overrides, options=given)
        document = run_benchmark(workdir, asked, terminal, processes=processes)
    if as_json:
        click.echo(json.dumps(document, indent=1))
