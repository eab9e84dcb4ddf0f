"""Which of the run's replicas live in this process, and what its processes tell each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import tensorflow as tf

from ssgan_tf.errors import WorkerLost
from ssgan_tf.training.cluster import place_in


@dataclass(frozen=True)
class ReplicaRange:
    """The replicas `first` .. `first + local - 1` of `total`."""

    first: int
    local: int
    total: int

    @property
    def chief(self) -> bool:
        """Whether this process writes checkpoints, summaries and the result."""
        return self.first == 0

    @property
    def alone(self) -> bool:
        """Whether this is the only process."""
        return self.local == self.total

    @classmethod
    def of(cls, strategy: tf.distribute.Strategy) -> ReplicaRange:
        """The replicas that a strategy runs in this process."""
        total = strategy.num_replicas_in_sync
        resolver = strategy.cluster_resolver
        if resolver is None or not resolver.cluster_spec().as_dict():
            return cls(0, total, total)
        place = place_in(resolver.cluster_spec().as_dict(), resolver.task_type, resolver.task_id or 0)
        local = total // place.processes
        return cls(place.number * local, local, total)


def broadcast_from_chief(
    strategy: tf.distribute.Strategy, replicas: ReplicaRange, variables: Iterable[tf.Variable]
) -> None:
    """Gives every process the chief's values, so that only the chief needs the checkpoints' disk.

    Each value is summed over the replicas, of which all but the first contribute zeros: exact.
    """
    if replicas.alone:
        return
    variables = list(variables)

    @tf.function(autograph=False)
    def total(values: list[tf.Tensor]) -> list[tf.Tensor]:
        def replica(values: list[tf.Tensor]) -> list[tf.Tensor]:
            context = tf.distribute.get_replica_context()
            first = tf.equal(context.replica_id_in_sync_group, 0)
            mine = [tf.where(first, value, tf.zeros_like(value)) for value in values]
            return context.all_reduce(tf.distribute.ReduceOp.SUM, mine)

        return strategy.experimental_local_results(strategy.run(replica, args=(values,)))[0]

    # collectives carry no int32 on every device; float64 holds every counter exactly
    wide = [tf.cast(variable.read_value(), tf.float64) for variable in variables]
    for variable, value in zip(variables, total(wide), strict=True):
        variable.assign(tf.cast(value, variable.dtype))


def any_process(strategy: tf.distribute.Strategy, replicas: ReplicaRange) -> Callable[[bool], bool]:
    """Makes the function that answers on every process whether one of them was given True.

    All processes must call it equally often. One that is told to stop so takes the others with it, at a
    step that is the same for all. (TensorFlow's PreemptionCheckpointHandler agrees in a like way, but runs
    one step a call and writes the checkpoints itself.)
    """
    if replicas.alone:
        return bool

    @tf.function(autograph=False)
    def count(mine: tf.Tensor) -> tf.Tensor:
        def replica(mine: tf.Tensor) -> tf.Tensor:
            # the copy lies on the replica's device, which a collective asks for
            here = tf.identity(mine)
            return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, here)

        return strategy.experimental_local_results(strategy.run(replica, args=(mine,)))[0]

    return lambda mine: float(count(tf.constant(float(mine)))) > 0.0


@contextmanager
def peers(replicas: ReplicaRange, when: str) -> Iterator[None]:
    """Turns the errors of a peer that is gone into one message.

    Args:
        replicas: of this process.
        when: at what point of the training, for the message.

    Raises:
        WorkerLost: another process ended.
    """
    try:
        yield
    except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.InternalError) as error:
        if replicas.alone:
            raise
        raise WorkerLost(
            f"another worker was lost {when}; start all workers again to continue from the last checkpoint."
        ) from error
