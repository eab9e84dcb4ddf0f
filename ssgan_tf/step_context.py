"""Where a training step stands: its randomness and its global batch, seen from one replica.

Every random number of training is a function of (seed, step, position in the global batch): the values
are drawn for the whole global batch with a stateless generator and each replica takes its slice. So a
resumed run repeats an undisturbed one, and the number of replicas changes nothing but rounding.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import tensorflow as tf

_entered = threading.local()


class StepContext:
    """Randomness and cross-replica means for one step on one replica.

    Each draw folds in a counter that runs over the draws of the step in the order of the trace, so two
    layers never share numbers.

    Args:
        seed: the run's seed, 0 .. 2**40.
        step: scalar int64 tensor, the number of the step.
    """

    def __init__(self, seed: int, step: tf.Tensor) -> None:
        self.seed = seed
        self.step = tf.cast(step, tf.int64)
        self.replica = tf.distribute.get_replica_context()
        self.replicas = tf.distribute.get_strategy().num_replicas_in_sync
        self.updates_statistics = True
        self._draws = 0
        self._shared: dict[str, tf.Tensor] = {}

    def _next_seed(self) -> tf.Tensor:
        self._draws += 1
        return tf.stack([tf.constant((self.seed << 20) + self._draws, tf.int64), self.step])

    def _slice(self, values: tf.Tensor, local: int) -> tf.Tensor:
        if self.replicas == 1:
            return values
        first = self.replica.replica_id_in_sync_group * local
        return tf.slice(values, [first] + [0] * (values.shape.rank - 1), [local, *values.shape[1:]])

    def uniform(self, shape: Sequence[int], low: float = 0.0, high: float = 1.0) -> tf.Tensor:
        """Draws float32 in [low, high) of the local `shape`; its first axis is the batch."""
        whole = [shape[0] * self.replicas, *shape[1:]]
        values = tf.random.stateless_uniform(whole, self._next_seed(), low, high)
        return self._slice(values, shape[0])

    def random_bytes(self, shape: Sequence[int]) -> tf.Tensor:
        """Draws uint8 of the local `shape`, uniform in 0..255; its first axis is the batch."""
        whole = [shape[0] * self.replicas, *shape[1:]]
        count = math.prod(whole)
        words = tf.random.stateless_uniform(
            [-(-count // 4)], self._next_seed(), minval=None, maxval=None, dtype=tf.int32
        )
        values = tf.reshape(tf.bitcast(words, tf.uint8), [-1])
        return self._slice(tf.reshape(values[:count] if count % 4 else values, whole), shape[0])

    def normal(self, shape: Sequence[int], stddev: float = 1.0) -> tf.Tensor:
        """Draws float32 N(0, stddev**2) of the local `shape`; its first axis is the batch."""
        whole = [shape[0] * self.replicas, *shape[1:]]
        values = tf.random.stateless_normal(whole, self._next_seed(), stddev=stddev)
        return self._slice(values, shape[0])

    def shared(self, name: str, make: Callable[[], tf.Tensor]) -> tf.Tensor:
        """Returns what `make` gave when `name` was first asked for: the same for all updates of a step."""
        if name not in self._shared:
            self._shared[name] = make()
        return self._shared[name]

    def all_sum(self, value: tf.Tensor) -> tf.Tensor:
        """Sums a tensor over the replicas; differentiable."""
        if self.replicas == 1:
            return value
        return self.replica.all_reduce(tf.distribute.ReduceOp.SUM, value)

    def all_mean(self, value: tf.Tensor) -> tf.Tensor:
        """Averages a tensor over the replicas; differentiable."""
        return self.all_sum(value) / self.replicas if self.replicas > 1 else value

    @contextmanager
    def frozen_statistics(self) -> Iterator[None]:
        """Within it, batch normalisation leaves its moving statistics alone.

        The moving statistics serve the classifier, which sees real images only: passes over generated
        images must not blur them.
        """
        before, self.updates_statistics = self.updates_statistics, False
        try:
            yield
        finally:
            self.updates_statistics = before

    @contextmanager
    def entered(self) -> Iterator[StepContext]:
        """Makes this the context that the layers called within it draw from (per thread)."""
        before = getattr(_entered, "context", None)
        _entered.context = self
        try:
            yield self
        finally:
            _entered.context = before


def current_step() -> StepContext:
    """Returns the context entered in this thread.

    Raises:
        RuntimeError: a layer that needs one was called with training=True outside of a step.
    """
    context = getattr(_entered, "context", None)
    if context is None:
        raise RuntimeError(
            "a stochastic layer was called with training=True outside of StepContext.entered()"
        )
    return context
