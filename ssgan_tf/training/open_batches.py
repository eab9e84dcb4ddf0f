"""Chooses how training images reach a step: from memory when they fit, else streamed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ssgan_tf.records import DatasetInfo, read_images
from ssgan_tf.systems.recipe import Stream
from ssgan_tf.training.batches import MemoryBatches
from ssgan_tf.training.replicas import ReplicaRange


def open_batches(
    info: DatasetInfo,
    streams: Mapping[str, Stream],
    *,
    seed: int,
    memory_limit: int,
    replicas: ReplicaRange,
    guesses: np.ndarray | None = None,
) -> Any:
    """Opens the training split of prepared data.

    Args:
        info: the data set.
        streams: what a step takes.
        seed: of the order.
        replicas: the replicas of this process.
        memory_limit: bytes of uint8 images up to which they are held in memory.
        guesses: labels that were guessed, int32 [N], -1 elsewhere; None: none were.

    Raises:
        DataError: the split is missing, empty or damaged.
    """
    size = info.splits["train"]["count"] * int(np.prod(info.image_shape))
    if size <= memory_limit:
        images, labels = read_images(info, "train")
        return MemoryBatches(images, labels, streams, seed, guesses)
    from ssgan_tf.training.streamed_batches import StreamedBatches

    return StreamedBatches(info, streams, seed, replicas, guesses)
