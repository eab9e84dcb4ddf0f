"""Training images in memory, and the batches that a step takes from them, by index.

Position p of a stream belongs to epoch p // N and is the image `shuffle(p % N)` of that epoch's
permutation, which is a function of (seed, stream, epoch): no iterator, no shuffle buffer, no state.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from ssgan_tf.errors import DataError, NoLabels, UsageError
from ssgan_tf.step_context import StepContext
from ssgan_tf.systems.recipe import Batch, Stream


def shuffled_indices(positions: tf.Tensor, size: int | tf.Tensor, *, seed: int, stream: int) -> tf.Tensor:
    """Maps positions of an endless stream to indices; each epoch is a permutation of its own.

    Args:
        positions: int64 [B], from 0.
        size: number of images N of the stream.
        seed: the run's seed.
        stream: number of the stream, so that two streams have different orders.

    Returns:
        int64 [B] in [0, N).
    """
    size = tf.cast(size, tf.int64)
    epochs = positions // size
    first = tf.constant((seed * 2654435761 + stream) & 0x7FFFFFFF, tf.int64)
    seeds = tf.stack([tf.fill(tf.shape(epochs), first), epochs % 2**31, epochs // 2**31], axis=1)
    return tf.raw_ops.RandomIndexShuffle(
        index=positions % size,
        seed=tf.cast(seeds, tf.int32),
        max_index=tf.fill(tf.shape(epochs), size - 1),
        rounds=8,
    )


def local_positions(step: StepContext, batch_size: int) -> tf.Tensor:
    """Positions int64 [B / R] in a stream that this replica takes at this step."""
    local = batch_size // step.replicas
    first = step.step * batch_size
    if step.replicas > 1:
        first += tf.cast(step.replica.replica_id_in_sync_group * local, tf.int64)
    return first + tf.range(local, dtype=tf.int64)


def check_batch_sizes(streams: Mapping[str, Stream], replicas: int) -> None:
    """Checks that every global batch can be divided among the replicas.

    Raises:
        UsageError: it cannot.
    """
    for name, stream in streams.items():
        if stream.batch_size % replicas:
            raise UsageError(
                f"the global batch of {stream.batch_size} ({name}) cannot be divided among {replicas} "
                f"replicas; choose a multiple of {replicas}."
            )


def stream_number(name: str) -> int:
    """A number that stays the same for a stream's name."""
    return zlib.crc32(name.encode()) & 0xFFFF


# no name of a stream is as long
SAMPLE = stream_number("a sample of the training images")


class MemoryBatches:
    """All training images as uint8 tensors in host memory.

    Args:
        images: uint8 [N, H, W, C].
        labels: int32 [N], -1 where unlabelled.
        streams: what a step takes.
        seed: the run's seed.
        guesses: labels that were guessed, int32 [N], -1 elsewhere; None: none were.

    Raises:
        DataError: there is no image.
        NoLabels: a stream needs labelled images, and there is none.
    """

    streaming = False

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        streams: Mapping[str, Stream],
        seed: int,
        guesses: np.ndarray | None = None,
    ) -> None:
        if not len(images):
            raise DataError("the training split holds no image.")
        self.seed, self.streams = seed, dict(streams)
        with tf.device("/CPU:0"):
            self.images = tf.constant(images)
            self.labels = tf.constant(labels)
            self.guesses = None if guesses is None else tf.constant(guesses)
            self.labelled = tf.constant(labelled_rows(labels, streams), rows_type(len(labels)))

    @property
    def count(self) -> int:
        """Number of training images."""
        return int(self.images.shape[0])

    def local(self, step: StepContext, element: None = None) -> dict[str, Batch]:
        """Gathers this replica's batch of every stream, in the graph."""
        batches = {}
        # the images stay on the host: only the batch travels to a device
        with tf.device("/CPU:0"):
            for name, stream in self.streams.items():
                positions = local_positions(step, stream.batch_size)
                rows = self.labelled if stream.labelled_only else None
                size = rows.shape[0] if rows is not None else self.images.shape[0]
                index = shuffled_indices(positions, size, seed=self.seed, stream=stream_number(name))
                if rows is not None:
                    index = tf.cast(tf.gather(rows, index), tf.int64)
                local = stream.batch_size // step.replicas
                image = tf.ensure_shape(tf.gather(self.images, index), [local, *self.images.shape[1:]])
                label = tf.ensure_shape(tf.gather(self.labels, index), [local])
                guess = None
                if self.guesses is not None:
                    guess = tf.ensure_shape(tf.gather(self.guesses, index), [local])
                batches[name] = Batch(image, label, guess)
        return batches

    def sample_size(self, labelled_only: bool) -> int:
        """Number of images that `sample` draws from."""
        return int((self.labelled if labelled_only else self.images).shape[0])

    def sample(self, positions: tf.Tensor, labelled_only: bool) -> tf.Tensor:
        """Images uint8 [B, H, W, C] in an order of their own, a function of the seed.

        Args:
            positions: int64 [B]; those below `sample_size` are as many different images.
            labelled_only: from the labelled ones.
        """
        size = self.sample_size(labelled_only)
        with tf.device("/CPU:0"):
            index = shuffled_indices(positions, size, seed=self.seed, stream=SAMPLE)
            if labelled_only:
                index = tf.cast(tf.gather(self.labelled, index), tf.int64)
            return tf.gather(self.images, index)

    def first_images(self, count: int) -> tf.Tensor:
        """The first images of the first stream's order, for data-dependent initial weights."""
        count = min(count, self.images.shape[0])
        positions = tf.range(count, dtype=tf.int64)
        return tf.gather(
            self.images,
            shuffled_indices(positions, self.images.shape[0], seed=self.seed, stream=0),
        )


def rows_type(count: int) -> tf.DType:
    """Returns the smaller type that holds the rows of so many images."""
    return tf.int32 if count <= tf.int32.max else tf.int64


def labelled_rows(labels: np.ndarray, streams: Mapping[str, Stream]) -> np.ndarray:
    """Indices of the labelled images.

    Raises:
        NoLabels: there are none, and a stream needs them.
    """
    rows = np.flatnonzero(labels >= 0)
    if not len(rows) and any(stream.labelled_only for stream in streams.values()):
        raise NoLabels("no training image has a label, and this recipe trains on labelled images.")
    return rows
