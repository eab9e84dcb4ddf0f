"""Distribution strategies by name, and the logical devices that stand in for GPUs on a CPU."""

from __future__ import annotations

import tensorflow as tf

from ssgan_tf.errors import UsageError


def make_strategy(name: str, replicas: int | None = None) -> tf.distribute.Strategy:
    """Builds a strategy.

    Args:
        name: "default" (one device) or "mirrored" (all GPUs, or logical CPU devices).
        replicas: number of replicas of mirrored; default: all GPUs, or 2 without any.

    Raises:
        UsageError: unknown name, more replicas than GPUs, or the devices were fixed before.
    """
    if name == "default":
        if replicas not in (None, 1):
            raise UsageError(f"train.replicas={replicas} needs train.strategy=mirrored.")
        return tf.distribute.get_strategy()
    if name != "mirrored":
        raise UsageError(f"train.strategy must be default, mirrored or multiworker; got {name!r}.")
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        count = replicas or len(gpus)
        if count > len(gpus):
            raise UsageError(f"train.replicas={count}, but this machine has {len(gpus)} GPUs.")
        return tf.distribute.MirroredStrategy([f"GPU:{i}" for i in range(count)])
    count = replicas or 2
    make_logical_cpus(count)
    return tf.distribute.MirroredStrategy(
        [f"CPU:{i}" for i in range(count)],
        cross_device_ops=tf.distribute.ReductionToOneDevice(),
    )


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
