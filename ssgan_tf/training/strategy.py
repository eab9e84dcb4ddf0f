"""Distribution strategies by name, and the logical devices that stand in for GPUs on a CPU.

Logical CPU devices share the same cores: two replicas on them train no faster than one. They are good for
trying out that a recipe trains on several replicas, before it does so on GPUs.
"""

from __future__ import annotations

import os

import tensorflow as tf

from ssgan_tf.devices import visible_gpus
from ssgan_tf.errors import UsageError
from ssgan_tf.training.cluster import TRAINING_JOBS, Workers, place_in, read_tf_config
from ssgan_tf.training.meeting import meet

DEFAULT_CPU_REPLICAS = 2


def make_strategy(
    name: str, replicas: int | None = None, *, workers: Workers | None = None
) -> tf.distribute.Strategy:
    """Builds a strategy.

    Args:
        name: "default" (one device), "mirrored" (all GPUs, or logical CPU devices), or "multiworker"
            (processes, each with all its GPUs or one CPU device).
        replicas: number of replicas of mirrored, each on a GPU of its own; default: all GPUs. Without any
            GPU that many logical CPU devices are made; default: 2.
        workers: those of multiworker, of which the first is the chief; None: TF_CONFIG names them.

    Raises:
        UsageError: unknown name, more replicas than GPUs, the devices were fixed before, or a port is taken.
    """
    if name == "default":
        count_replicas(name, replicas)
        return tf.distribute.get_strategy()
    if name == "multiworker":
        return _multiworker(workers)
    if name != "mirrored":
        raise UsageError(f"train.strategy must be default, mirrored or multiworker; got {name!r}.")
    count = count_replicas(name, replicas)
    if gpus := visible_gpus():
        return tf.distribute.MirroredStrategy(gpus[:count])
    make_logical_cpus(count)
    return tf.distribute.MirroredStrategy(
        [f"CPU:{i}" for i in range(count)],
        cross_device_ops=tf.distribute.ReductionToOneDevice(),
    )


def prepare_devices(name: str, replicas: int | None = None) -> None:
    """Checks the number of replicas, and makes the logical CPU devices before anything starts the CPU.

    Args:
        name, replicas: as for `make_strategy`.

    Raises:
        UsageError: see `make_strategy`.
    """
    count = count_replicas(name, replicas)
    if name == "mirrored" and not visible_gpus():
        make_logical_cpus(count)


def count_replicas(name: str, replicas: int | None = None, processes: int = 1) -> int:
    """How many replicas `make_strategy` would give a run, without starting a device.

    Args:
        name, replicas: as for `make_strategy`.
        processes: of multiworker.

    Raises:
        UsageError: more replicas than there are GPUs, where there is one, or several without mirrored.
    """
    if name == "default":
        if replicas not in (None, 1):
            raise UsageError(f"train.replicas={replicas} needs train.strategy=mirrored.")
        return 1
    gpus = len(visible_gpus())
    if name == "multiworker":
        return processes * max(1, gpus)
    if gpus and replicas and replicas > gpus:
        found = "1 GPU" if gpus == 1 else f"{gpus} GPUs"
        raise UsageError(
            f"train.replicas={replicas}, but this machine has {found}, and each replica has one of its own. "
            "To try replicas out on the CPU, hide the GPUs: CUDA_VISIBLE_DEVICES=-1."
        )
    return replicas or gpus or DEFAULT_CPU_REPLICAS


def device_names(strategy: tf.distribute.Strategy) -> list[str]:
    """The devices of this process that a strategy trains on."""
    if isinstance(strategy, tf.distribute.MirroredStrategy | tf.distribute.MultiWorkerMirroredStrategy):
        return list(strategy.extended.worker_devices)
    return (visible_gpus() or ["CPU:0"])[:1]


def _multiworker(workers: Workers | None) -> tf.distribute.MultiWorkerMirroredStrategy:
    if workers:
        cluster = tf.train.ClusterSpec({"worker": list(workers.addresses)})
        resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
            cluster, task_type="worker", task_id=workers.index, rpc_layer="grpc"
        )
    else:
        named, task = read_tf_config(os.environ)
        place_in(named, str(task.get("type")), task.get("index", 0))
        resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    spec = resolver.cluster_spec()
    address = spec.task_address(resolver.task_type, resolver.task_id)
    everyone = [task for job in TRAINING_JOBS if job in spec.jobs for task in spec.job_tasks(job)]
    try:
        meet(address, [other for other in everyone if other != address])
        return tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=resolver)
    except (OSError, tf.errors.UnknownError) as error:
        if isinstance(error, tf.errors.UnknownError) and "gRPC server" not in error.message:
            raise
        raise UsageError(
            f"this worker cannot listen at {address}: another program has the port. Give it another one "
            "(train.workers or TF_CONFIG; in a Slurm step train.port)."
        ) from None


def make_logical_cpus(count: int) -> None:
    """Splits the CPU into `count` logical devices, once a process.

    Raises:
        UsageError: TensorFlow has started with fewer.
    """
    cpu = tf.config.list_physical_devices("CPU")[0]
    have = tf.config.get_logical_device_configuration(cpu) or [None]
    if len(have) >= count:
        return
    try:
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * count)
    except RuntimeError:
        raise UsageError(
            f"{count} replicas were asked for, but TensorFlow has started with {len(have)} CPU "
            "device(s) in this process; start a new one."
        ) from None
