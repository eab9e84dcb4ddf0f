"""The labels that a recipe trains on beside the given ones: made once, by the chief, and kept in a file.

A run that goes on takes the file, so that it goes on with the same labels whatever its machine makes of them.
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


def labels_to_train_on(
    info: DatasetInfo,
    system: System,
    strategy: tf.distribute.Strategy,
    *,
    folder: Path,
    say: Callable[[str], None],
) -> np.ndarray | None:
    """The labels of the training images with what the system guesses; None: the given labels alone.

    Args:
        info: the prepared data.
        system: to be trained.
        strategy: its processes all get the chief's labels.
        folder: of the run; holds `guesses.npy` afterwards.
        say: is told how the guesses went.

    Returns:
        int32 [N], -1 where there is neither.

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
    labels = np.full(count, -1, np.int32)
    if replicas.chief:
        if path.exists():
            labels = _kept(path, count, info.num_classes)
        else:
            images, own_labels = read_images(info, "train")
            guesses = system.guess(images, own_labels)
            labels = guesses.labels
            content = io.BytesIO()
            np.save(content, labels, allow_pickle=False)
            write_whole(path, content.getvalue())
            say(guesses.why)
    with strategy.scope():
        shared = tf.Variable(labels.astype(np.int64), trainable=False)
    broadcast_from_chief(strategy, replicas, [shared])
    return shared.numpy().astype(np.int32)


def _kept(path: Path, count: int, classes: int) -> np.ndarray:
    try:
        labels = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"{str(path)!r} is damaged ({error}); remove it, and it is made again.") from None
    if labels.shape != (count,) or labels.dtype != np.int32 or labels.max() >= classes or labels.min() < -1:
        raise DataError(f"{str(path)!r} is not of these data; remove it, and it is made again.")
    return labels
