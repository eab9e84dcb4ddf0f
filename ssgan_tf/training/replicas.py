"""Which of the run's replicas live in this process."""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf


@dataclass(frozen=True)
class ReplicaRange:
    """The replicas `first` .. `first + local - 1` of `total`."""

    first: int
    local: int
    total: int

    @classmethod
    def of(cls, strategy: tf.distribute.Strategy) -> ReplicaRange:
        """The replicas that a strategy runs in this process."""
        total = strategy.num_replicas_in_sync
        resolver = strategy.cluster_resolver
        if resolver is None or not resolver.cluster_spec().as_dict():
            return cls(0, total, total)
        tasks = sum(len(hosts) for hosts in resolver.cluster_spec().as_dict().values())
        local = total // tasks
        return cls((resolver.task_id or 0) * local, local, total)
