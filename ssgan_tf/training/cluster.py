"""The processes of a `multiworker` training, and where this one stands among them (no TensorFlow here).

`TF_CONFIG` is TensorFlow's: JSON with `cluster`, job name to the addresses of its tasks, and `task`, the
`type` and `index` of this process. Jobs called `chief` and `worker` train. The first process of both,
chief before worker, writes the result.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sized
from dataclasses import dataclass
from typing import Any, Protocol

from ssgan_tf.errors import UsageError

# in the order in which TensorFlow numbers their tasks (`multi_worker_util.id_in_cluster`)
TRAINING_JOBS = ("chief", "worker")


@dataclass(frozen=True)
class Place:
    """Process `number` (from 0, which is the chief) of `processes` that train together."""

    number: int
    processes: int


class Distributed(Protocol):
    """The settings that say which processes train together."""

    @property
    def strategy(self) -> str:
        """Only "multiworker" has several processes."""

    @property
    def workers(self) -> str | None:
        """host:port,... of all workers, or None: see TF_CONFIG."""

    @property
    def worker_index(self) -> int | None:
        """Which of the workers this is."""


def is_chief(config: Distributed, environ: Mapping[str, str]) -> bool:
    """Whether this process writes the result.

    Args:
        config: settings of training.
        environ: the environment, for `TF_CONFIG`.

    Raises:
        UsageError: the settings or `TF_CONFIG` do not say which process this is.
    """
    return place_of(config, environ).number == 0


def place_of(config: Distributed, environ: Mapping[str, str]) -> Place:
    """Finds this process among those that train together.

    Raises:
        UsageError: see `is_chief`.
    """
    if config.strategy != "multiworker":
        return Place(0, 1)
    if config.workers:
        count, index = len(config.workers.split(",")), config.worker_index
        if index is None or not 0 <= index < count:
            raise UsageError(
                f"train.worker_index must be 0 to {count - 1} with {count} workers; got {index}."
            )
        return Place(index, count)
    cluster, task = read_tf_config(environ)
    return place_in(cluster, str(task.get("type")), task.get("index", 0))


def read_tf_config(environ: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Reads `cluster` and `task` of `TF_CONFIG`.

    Raises:
        UsageError: it is absent, no JSON, or lacks one of them.
    """
    text = environ.get("TF_CONFIG", "")
    if not text.strip():
        raise UsageError(
            "train.strategy=multiworker needs TF_CONFIG, or train.workers=host:port,... with "
            "train.worker_index."
        )
    try:
        document = json.loads(text)
    except ValueError as error:
        raise UsageError(f"TF_CONFIG is not valid JSON: {error}.") from None
    parts: list[dict[str, Any]] = []
    for key in ("cluster", "task"):
        part = document.get(key) if isinstance(document, dict) else None
        if not isinstance(part, dict) or not part:
            raise UsageError(f"TF_CONFIG must be an object with cluster and task; {key} is {part!r}.")
        parts.append(part)
    return parts[0], parts[1]


def place_in(cluster: Mapping[str, Any], job: str, index: Any) -> Place:
    """Finds the task `index` of a job among those of a cluster that train.

    Args:
        cluster: job name to the addresses of its tasks, as a list or by number.
        job: name of this task's job.
        index: number of this task within its job, from 0.

    Raises:
        UsageError: the job takes no part in training, or has no such task.
    """
    if job not in TRAINING_JOBS:
        raise UsageError(
            f"this process is a {job!r} by TF_CONFIG, which takes no part in train.strategy=multiworker: "
            "start it as chief or worker only."
        )
    sizes = {}
    for name in TRAINING_JOBS:
        tasks = cluster.get(name) or []
        if isinstance(tasks, str) or not isinstance(tasks, Sized):
            raise UsageError(f"cluster.{name} of TF_CONFIG must be a list of host:port; got {tasks!r}.")
        sizes[name] = len(tasks)
    try:
        number = int(index)
    except (TypeError, ValueError):
        number = -1
    if sizes["chief"] > 1:
        raise UsageError(f"a cluster has one chief at most; TF_CONFIG lists {sizes['chief']}.")
    if not 0 <= number < sizes[job]:
        raise UsageError(f"TF_CONFIG has {sizes[job]} tasks of {job!r}; this process is number {index!r}.")
    return Place(number + (sizes["chief"] if job == "worker" else 0), sum(sizes.values()))
