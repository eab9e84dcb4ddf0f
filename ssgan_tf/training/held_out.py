"""Accuracy on labelled images that training does not see, measured while it runs.

    held_out = open_held_out(info, system)     # None without a validation split
    held_out.begin(averages, networks)
    held_out.measure()                         # None where it would take too much of the time

The images are the first labelled ones of the validation split (records lie in an order made from their
pixels, so they are a fair sample), at most 1,000. A measurement is left out while those so far took more
than 2 % of the time since the start, before which the first one stands: it traces, as training's own first
step does. Nothing of it reaches a weight. The test split is never read.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from ssgan_tf.records import DatasetInfo, iterate_split
from ssgan_tf.systems.recipe import Networks, System

VALIDATION = "validation"
MOST_IMAGES = 1000
MOST_TIME = 0.02
BATCH = 250


class Accuracy(NamedTuple):
    """Shares in [0, 1] of held-out images classified right, by the averaged and by the live weights."""

    averaged: float
    live: float


class HeldOut:
    """Measures a system's accuracy on held-out images.

    Args:
        system: classifies.
        images: uint8 [N, H, W, C].
        labels: int32 [N], all from 0.
        clock: gives seconds.
    """

    def __init__(
        self,
        system: System,
        images: np.ndarray,
        labels: np.ndarray,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.images, self.labels = images, labels
        self._clock, self._begun, self._spent = clock, clock(), 0.0

        @tf.function(reduce_retracing=True, autograph=False)
        def hits(images: tf.Tensor, labels: tf.Tensor) -> list[tf.Tensor]:
            answers = [system.class_logits(networks, images) for networks in self._networks]
            right = [tf.equal(tf.argmax(logits, -1, output_type=tf.int32), labels) for logits in answers]
            return [tf.math.count_nonzero(each) for each in right]

        self._hits = hits
        self._networks: tuple[Networks, ...] = ()

    def begin(self, averages: Networks, networks: Networks) -> Accuracy:
        """Takes the networks that are measured, measures them, and then starts the run's clock."""
        self._networks = (averages, networks)
        accuracy = self._measured()
        self._begun, self._spent = self._clock(), 0.0
        return accuracy

    def measure(self, *, always: bool = False) -> Accuracy | None:
        """Classifies the held-out images; None where that would take more than its share of the time.

        Args:
            always: measures in any case, as at the end of a run.
        """
        start = self._clock()
        if self._spent > MOST_TIME * (start - self._begun) and not always:
            return None
        accuracy = self._measured()
        self._spent += self._clock() - start
        return accuracy

    def _measured(self) -> Accuracy:
        right = np.zeros(2, np.int64)
        for first in range(0, len(self.images), BATCH):
            part = slice(first, first + BATCH)
            hits = self._hits(tf.constant(self.images[part]), tf.constant(self.labels[part]))
            right += [int(count) for count in hits]
        return Accuracy(*(right / len(self.images)).tolist())


def open_held_out(info: DatasetInfo, system: System) -> HeldOut | None:
    """Reads the held-out images; None without a validation split, labels in it, or a classifier.

    Raises:
        DataError: a shard is missing or damaged.
    """
    if system.classifier is None or VALIDATION not in info.splits:
        return None
    images: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    for part in iterate_split(info, VALIDATION):
        rows = part.labels >= 0
        images.append(part.images[rows])
        labels.append(part.labels[rows])
        if sum(map(len, labels)) >= MOST_IMAGES:
            break
    if not sum(map(len, labels)):
        return None
    return HeldOut(system, np.concatenate(images)[:MOST_IMAGES], np.concatenate(labels)[:MOST_IMAGES])
