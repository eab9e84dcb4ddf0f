"""What `--precision auto` comes to: chosen once for a model and its pair, and kept in training.json."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import DataError
from pipeline.stages.train.settings import AUTO, TrainConfig
from ssgan_tf.file_names import TRAINING

if TYPE_CHECKING:
    import tensorflow as tf

ASKED = "precision"
"""Of the loop's settings in training.json: what was asked for, where `dtype` is what it came to."""


def choose_precision(
    config: TrainConfig, strategy: tf.distribute.Strategy, output: Path, companions: Sequence[Path]
) -> tuple[str, str]:
    """The type that a training computes in.

    `auto` is decided once: a training that goes on takes what it began with, and a model what its pair, its
    baseline or another fold of its draw was trained with, whatever this machine is. Only the first one is
    measured for, by the chief; the other processes take what it says.

    Args:
        config: says what is asked for.
        strategy: whose processes train together.
        output: the training's folder, with its record where it goes on.
        companions: folders of the trainings that it is compared or pooled with, there or not.

    Returns:
        The Keras dtype policy, and why, where it was not asked for by its name; else "".
    """
    if config.precision != AUTO:
        return config.precision, ""
    import tensorflow as tf

    from ssgan_tf.faster_precision import BFLOAT16, FLOAT32, speed_here
    from ssgan_tf.training.replicas import ReplicaRange, broadcast_from_chief

    choices = (FLOAT32, BFLOAT16)
    replicas = ReplicaRange.of(strategy)
    dtype, why = FLOAT32, "the chief's choice"
    if replicas.chief:
        found = _recorded([output, *companions], choices)
        if found:
            dtype, place = found
            why = "as it was begun" if place == output else f"as in {str(place)!r}"
        else:
            dtype, why = speed_here().dtype, speed_here().in_words()
    if not replicas.alone:
        with strategy.scope():
            shared = tf.Variable(choices.index(dtype), dtype=tf.int64, trainable=False)
        broadcast_from_chief(strategy, replicas, [shared])
        dtype = choices[int(shared.numpy())]
    return dtype, why


def _recorded(folders: Sequence[Path], choices: Sequence[str]) -> tuple[str, Path] | None:
    """The first choice for `auto` that a folder's record holds, and the folder."""
    from ssgan_tf.training.trained import TrainingRecord

    for folder in folders:
        # what has no whole record has not decided anything
        with contextlib.suppress(DataError):
            record = TrainingRecord.load(folder) if (folder / TRAINING).exists() else None
            if record and record.loop.get(ASKED) == AUTO and record.dtype in choices:
                return record.dtype, folder
    return None
