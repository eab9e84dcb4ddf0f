"""Settings of `ganpipe train`."""

from __future__ import annotations

from dataclasses import dataclass

from ssgan_tf.declare import as_in, at_least, one_of, setting, whole
from ssgan_tf.training.options import LoopOptions

AUTO = "auto"
"""Precision: what this machine computes faster in."""


@dataclass(frozen=True)
class TrainConfig:
    """Settings of `ganpipe train` that hold for every recipe."""

    recipe: str = setting("ssgan", "the system to train")
    # what it stands for decides the result
    preset: str = setting(
        "small",
        "the recipe's named settings: small (trains on two cores), documented (as its document has it) or "
        "full (its whole size, with our changes)",
        affects_result=False,
    )
    steps: int | None = setting(None, "training steps; default: the recipe's", at_least(1))
    epochs: int | None = setting(
        None,
        "instead of steps: passes over all training images; the baseline takes as many steps as its pair",
        at_least(1),
    )
    batch_size: int | None = setting(None, "global batch; default: the recipe's", at_least(1))
    views: str | None = setting(
        None,
        "what a random view of a training image may change, for recipes that train on such views: digits "
        "(turned, sheared, scaled, moved; no mirror), natural (scaled, moved, mirrored, other colours, a "
        "part hidden), colours (the same without the mirror) or none; default: digits for grey images, "
        "colours for others",
        one_of("digits", "natural", "colours", "none"),
    )
    strategy: str = setting(
        "default",
        "default: one device; mirrored: all GPUs of this machine (without any, two parts of its CPU); "
        "multiworker: several machines",
        one_of("default", "mirrored", "multiworker"),
        group="devices",
    )
    replicas: int | None = setting(
        None,
        "of mirrored: how many of the GPUs take part, one each (default: all), or without GPUs into how many "
        "logical devices the CPU is split, to try replicas out (default: 2)",
        at_least(1),
        group="devices",
    )
    workers: str | None = setting(
        None,
        "all workers of multiworker; default: those of TF_CONFIG, or the tasks of a Slurm step",
        affects_result=False,
        group="devices",
        takes="HOST:PORT,...",
        remembered=False,
    )
    worker_index: int | None = setting(
        None,
        "which of the workers this is; 0 is the chief, which writes",
        at_least(0),
        affects_result=False,
        group="devices",
        remembered=False,
    )
    port: int | None = setting(
        None,
        "of multiworker in a Slurm step: the port of the first task on each node; default: those that srun "
        "--resv-ports reserved, or one that follows from the job's number",
        whole(1024, 65535),
        affects_result=False,
        group="devices",
        remembered=False,
    )
    precision: str = setting(
        "float32",
        "type that is computed in; the mixed ones keep the weights in float32; auto: mixed_bfloat16 where "
        "this machine is measured to be faster in it, else float32",
        one_of("float32", "mixed_float16", "mixed_bfloat16", AUTO),
        group="devices",
    )
    average_decay: float | None = as_in(
        LoopOptions,
        "average_decay",
        default=None,
        help="decay of the weight average; default: the recipe's or the preset's, or "
        f"{LoopOptions.average_decay}",
    )
    batch_statistics: str = as_in(LoopOptions, "batch_statistics")
    steps_per_call: int = as_in(LoopOptions, "steps_per_call")
    summary_every: int = as_in(LoopOptions, "summary_every")
    histogram_every: int | None = as_in(
        LoopOptions,
        "histogram_every",
        default=None,
        help=f"steps between weight histograms; default: the preset's, or {LoopOptions.histogram_every}",
    )
    image_every: int | None = as_in(
        LoopOptions,
        "image_every",
        default=None,
        help=f"steps between sample grids; default: the preset's, or {LoopOptions.image_every}",
    )
    checkpoint_every: int = as_in(LoopOptions, "checkpoint_every")
    validation_every: int = as_in(LoopOptions, "validation_every")
    keep_checkpoints: int = as_in(LoopOptions, "keep_checkpoints")
    memory_limit_mb: int = setting(
        4096,
        "training images are held in memory up to this size, else streamed",
        at_least(0),
        affects_result=False,
    )
