"""The guessed labels that a recipe trains on: made once, by the chief, and kept in a file.

A run that goes on takes the file, and so the same guesses, whatever its machine would make of the images.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

from ssgan_tf.errors import DataError
from ssgan_tf.file_names import GUESSES
from ssgan_tf.graphs.guesses import why_not_compared
from ssgan_tf.records import DatasetInfo, read_images
from ssgan_tf.systems.recipe import System
from ssgan_tf.training.replicas import ReplicaRange, broadcast_from_chief
from ssgan_tf.whole_files import write_whole


def guesses_to_train_on(
    info: DatasetInfo,
    system: System,
    strategy: tf.distribute.Strategy,
    *,
    folder: Path,
    say: Callable[[str], None],
) -> np.ndarray | None:
    """The labels that the system guesses of training images without one; None: it guesses none.

    Args:
        info: the prepared data.
        system: to be trained.
        strategy: its processes all get the chief's guesses.
        folder: of the run; holds `guesses.npy` afterwards.
        say: is told how the guesses went.

    Returns:
        int32 [N], -1 where a label was given, and where nothing is guessed.

    Raises:
        DataError: the training split is damaged, or the kept file is of other data.
    """
    count = info.splits["train"]["count"]
    if not system.guesses_labels():
        return None
    replicas = ReplicaRange.of(strategy)
    if why := why_not_compared(count):
        # without reading the images
        say(why)
        return None
    path = folder / GUESSES
    classes = np.full(count, -1, np.int32)
    if replicas.chief:
        if path.exists():
            classes = _kept(path, count, info.num_classes)
        else:
            guesses = system.guess(*read_images(info, "train"))
            classes = guesses.classes
            content = io.BytesIO()
            np.save(content, classes, allow_pickle=False)
            write_whole(path, content.getvalue())
            say(guesses.why)
    with strategy.scope():
        shared = tf.Variable(classes.astype(np.int64), trainable=False)
    broadcast_from_chief(strategy, replicas, [shared])
    classes = shared.numpy().astype(np.int32)
    return classes if (classes >= 0).any() else None


def _kept(path: Path, count: int, most: int) -> np.ndarray:
    try:
        guesses = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"{str(path)!r} is damaged ({error}); remove it, and it is made again.") from None
    if (
        guesses.shape != (count,)
        or guesses.dtype != np.int32
        or not -1 <= guesses.min() <= guesses.max() < most
    ):
        raise DataError(f"{str(path)!r} is not of these data; remove it, and it is made again.")
    return guesses
