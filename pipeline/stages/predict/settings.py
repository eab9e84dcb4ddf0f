"""Settings of `ganpipe predict`."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.beam import modes
from ssgan_tf.declare import at_least, one_of, setting


@dataclass(frozen=True)
class PredictConfig:
    """Settings of `ganpipe predict`."""

    format: str | None = setting(
        None,
        "of the answers; default: by the output's name, csv on standard output",
        one_of("csv", "jsonl", "parquet"),
        group="output",
    )
    overwrite: bool = setting(False, "replace the output file if it is there")
    engine: str = setting(
        "savedmodel", "savedmodel, or lite where the export has it", one_of("savedmodel", "lite")
    )
    batch_size: int = setting(256, "images a batch", at_least(1))
    strict: bool = setting(False, "fail on the first image that cannot be used")
    runner: str = setting(
        "direct",
        "direct, or for large jobs on Beam: in this process, in worker processes, or on an engine of yours",
        one_of("direct", *modes.MODES),
        group="devices",
    )
    workers: int = setting(2, modes.WORKERS_HELP, at_least(1), group="devices")
    beam_option: str | None = setting(
        None, modes.OPTION_HELP, modes.OPTIONS, group="devices", takes="NAME=VALUE", repeated=True
    )
