"""Training images read from the TFRecord shards as they are needed, in the order of `batches.py`.

The order is by index, so the shards are read at random places: the offset of every record is found in
one pass at the start (which also checks the checksums), and a step's records are then read, parsed and
decoded in the background, several steps ahead. Resuming needs no state, and memory holds where records lie
and their labels (12 bytes an image, 4 more of a labelled one, and 4 of each where labels were guessed) and
the steps in flight, whatever the size of the data set.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from ssgan_tf.errors import DamagedData, DataError
from ssgan_tf.records import DatasetInfo, iterate_records, parse
from ssgan_tf.step_context import StepContext
from ssgan_tf.systems.recipe import Batch, Stream
from ssgan_tf.tfrecord import HEAD, LABEL, TAIL, label_in
from ssgan_tf.training.batches import SAMPLE, labelled_rows, rows_type, shuffled_indices, stream_number
from ssgan_tf.training.replicas import ReplicaRange


class StreamedBatches:
    """Batches of a training split that stays on disk.

    Args:
        info: the prepared data.
        streams: what a step takes.
        seed: of the order.
        replicas: the replicas of this process.
        guesses: labels that were guessed, int32 [N], -1 elsewhere; None: none were.

    Raises:
        DataError: a shard is missing or damaged, there is no image, or no labelled one where needed.
    """

    streaming = True

    def __init__(
        self,
        info: DatasetInfo,
        streams: Mapping[str, Stream],
        seed: int,
        replicas: ReplicaRange,
        guesses: np.ndarray | None = None,
    ) -> None:
        self.shape, self.seed, self.streams, self.replicas = info.image_shape, seed, dict(streams), replicas
        self.index = RecordIndex(info)
        if not len(self.index.labels):
            raise DataError("the training split holds no image.")
        self.guesses = None if guesses is None else tf.constant(guesses)
        self.labelled = tf.constant(labelled_rows(self.index.labels, streams), rows_type(self.count))

    @property
    def count(self) -> int:
        """Number of training images."""
        return len(self.index.labels)

    def elements(self, first_step: int) -> tf.data.Dataset:
        """Yields, from `first_step` on, for every stream what the batches of this process hold."""
        steps = tf.data.Dataset.range(first_step, np.iinfo(np.int64).max)
        options = tf.data.Options()
        options.deterministic = True
        return (
            steps.map(self._element, num_parallel_calls=tf.data.AUTOTUNE)
            .prefetch(tf.data.AUTOTUNE)
            .with_options(options)
        )

    @tf.autograph.experimental.do_not_convert
    def _element(self, step: tf.Tensor) -> dict[str, tuple[tf.Tensor, ...]]:
        element = {}
        for name, stream in self.streams.items():
            part = stream.batch_size // self.replicas.total
            first = step * stream.batch_size + self.replicas.first * part
            positions = first + tf.range(part * self.replicas.local, dtype=tf.int64)
            element[name] = self._read(positions, stream.labelled_only, stream_number(name))
        return element

    def _read(self, positions: tf.Tensor, labelled_only: bool, stream: int) -> tuple[tf.Tensor, ...]:
        size = self.labelled.shape[0] if labelled_only else len(self.index.labels)
        rows = shuffled_indices(positions, size, seed=self.seed, stream=stream)
        if labelled_only:
            rows = tf.cast(tf.gather(self.labelled, rows), tf.int64)
        serialized = tf.numpy_function(self.index.read, [rows], tf.string, stateful=False)
        parsed = parse(tf.ensure_shape(serialized, [None]), self.shape)
        read = (parsed["image"], parsed["label"])
        return read if self.guesses is None else (*read, tf.gather(self.guesses, rows))

    def local(self, step: StepContext, element: Any) -> dict[str, Batch]:
        """Takes this replica's part of an element, in the graph."""
        batches = {}
        for name, (images, *numbers) in element.items():
            part = self.streams[name].batch_size // self.replicas.total
            start = 0
            if self.replicas.local > 1:
                start = (step.replica.replica_id_in_sync_group - self.replicas.first) * part
            batches[name] = Batch(
                tf.ensure_shape(images[start : start + part], [part, *self.shape]),
                *(tf.ensure_shape(values[start : start + part], [part]) for values in numbers),
            )
        return batches

    def sample_size(self, labelled_only: bool) -> int:
        """As of `MemoryBatches`."""
        return int(self.labelled.shape[0]) if labelled_only else self.count

    def sample(self, positions: tf.Tensor, labelled_only: bool) -> tf.Tensor:
        """The same images as `MemoryBatches.sample`."""
        return self._read(positions, labelled_only, SAMPLE)[0]

    def first_images(self, count: int) -> tf.Tensor:
        """The same images as `MemoryBatches.first_images`."""
        count = min(count, len(self.index.labels))
        return self._read(tf.range(count, dtype=tf.int64), False, 0)[0]


class RecordIndex:
    """Where every record of the training split lies, and its label.

    Attributes:
        labels: int32 [N].
    """

    def __init__(self, info: DatasetInfo) -> None:
        sizes = [shard["records"] for shard in info.splits["train"]["shards"]]
        # room for all of them from the start: what grows is copied, and lists take ten times as much
        self._starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
        self._offsets = np.empty(self._starts[-1], np.int64)
        self.labels = np.empty(self._starts[-1], np.int32)
        self._files: list[int] = []
        self._ends: list[int] = []
        row = 0
        for path, stop in zip(info.shards("train"), self._starts[1:].tolist(), strict=True):
            self._files.append(os.open(path, os.O_RDONLY))
            self._ends.append(path.stat().st_size)
            for offset, payload in iterate_records(path):
                if row < stop:
                    self._offsets[row], self.labels[row] = offset, _label(payload)
                row += 1
            if row != stop:
                raise DamagedData(f"{path.name!r} does not hold the records that dataset.json says.")

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Reads the records of the given rows, as an object array of bytes."""
        shards = np.searchsorted(self._starts, rows, side="right") - 1
        # a record ends where the frame of the next one begins
        last = rows + 1 == self._starts[shards + 1]
        following = self._offsets[np.minimum(rows + 1, len(self._offsets) - 1)] - HEAD
        ends = np.where(last, np.array(self._ends)[shards], following) - TAIL
        records = np.empty(len(rows), object)
        offsets = self._offsets[rows]
        for i, (shard, offset, end) in enumerate(zip(shards, offsets.tolist(), ends.tolist(), strict=True)):
            records[i] = os.pread(self._files[shard], end - offset, offset)
        return records

    def __del__(self) -> None:
        for file in self._files:
            os.close(file)


def _label(payload: bytes) -> int:
    label = label_in(payload)
    if label is not None:
        return label
    example = tf.train.Example.FromString(payload)
    return example.features.feature[LABEL].int64_list.value[0]
