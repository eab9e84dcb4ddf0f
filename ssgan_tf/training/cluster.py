"""The processes of a `multiworker` training, and where this one stands among them (no TensorFlow here).

The settings say it, else `TF_CONFIG`, else the variables of a Slurm step (`slurm.py`). `TF_CONFIG` is
TensorFlow's: JSON with `cluster`, job name to the addresses of its tasks, and `task`, the
`type` and `index` of this process. Jobs called `chief` and `worker` train. The first process of both,
chief before worker, writes the result.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sized
from dataclasses import dataclass
from typing import Any, Protocol

from ssgan_tf.errors import UsageError
from ssgan_tf.training.slurm import in_slurm, tasks_of_step

# in the order in which TensorFlow numbers their tasks (`multi_worker_util.id_in_cluster`)
TRAINING_JOBS = ("chief", "worker")


@dataclass(frozen=True)
class Place:
    """Process `number` (from 0, which is the chief) of `processes` that train together."""

    number: int
    processes: int


@dataclass(frozen=True)
class Workers:
    """host:port of all processes, and which of them this is."""

    addresses: tuple[str, ...]
    index: int


class Distributed(Protocol):
    """The settings that say which processes train together."""

    @property
    def strategy(self) -> str:
        """Only "multiworker" has several processes."""

    @property
    def workers(self) -> str | None:
        """host:port,... of all workers, or None: see TF_CONFIG or Slurm."""

    @property
    def worker_index(self) -> int | None:
        """Which of the workers this is."""

    @property
    def port(self) -> int | None:
        """The first port on each node of a Slurm step, or None: see `tasks_of_step`."""


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
    if found := workers_of(config, environ):
        return Place(found.index, len(found.addresses))
    cluster, task = read_tf_config(environ)
    return place_in(cluster, str(task.get("type")), task.get("index", 0))


def workers_of(config: Distributed, environ: Mapping[str, str]) -> Workers | None:
    """Finds the workers by the settings or by Slurm; None where `TF_CONFIG` says which they are.

    Raises:
        UsageError: an address or the index is wrong, or nothing says which they are.
    """
    if config.workers:
        addresses, index = config.workers.split(","), config.worker_index
        for address in addresses:
            if not re.fullmatch(r"[^\s:]+:\d{1,5}", address):
                raise UsageError(f"train.workers must be host:port,host:port,...; got {address!r}.")
        if twice := {address for address in addresses if addresses.count(address) > 1}:
            raise UsageError(
                f"train.workers names {min(twice)} twice; each worker has an address of its own."
            )
        if index is None or not 0 <= index < len(addresses):
            raise UsageError(
                f"train.worker_index must be 0 to {len(addresses) - 1} with {len(addresses)} workers; "
                f"got {index}."
            )
        return Workers(tuple(addresses), index)
    if environ.get("TF_CONFIG", "").strip():
        return None
    if not in_slurm(environ):
        raise UsageError(
            "train.strategy=multiworker needs TF_CONFIG, or train.workers=host:port,... with "
            "train.worker_index, or to be started by srun in a Slurm job."
        )
    addresses, index = tasks_of_step(environ, config.port)
    return Workers(tuple(addresses), index)


def read_tf_config(environ: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Reads `cluster` and `task` of `TF_CONFIG`.

    Raises:
        UsageError: it is no JSON, or lacks one of them.
    """
    text = environ.get("TF_CONFIG", "")
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
