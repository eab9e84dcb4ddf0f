"""What training computes on, and what is chosen for it: the one place that asks for GPUs.

Memory of a GPU is taken as it is needed, not all at the start: `ssgan_tf/__init__.py` says so to TensorFlow
before its import, for every command. Threads are TensorFlow's own choice when training, on either device.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf


def visible_gpus() -> list[str]:
    """Names of the GPUs that this process may use, such as "GPU:0"; starts none of them."""
    return [f"GPU:{number}" for number in range(len(tf.config.get_visible_devices("GPU")))]


def convolves_by_products() -> bool:
    """Whether convolutions may train as matrix products (`networks/convolutions.py`).

    They were measured on CPUs, where they are faster; a GPU has convolutions of its own.
    """
    return not visible_gpus()


def devices_in_words(replicas: int, names: Sequence[str], processes: int = 1) -> str:
    """Says where replicas run.

    Args:
        replicas: of all processes.
        names: devices of this process, as TensorFlow calls them, such as "/job:localhost/device:CPU:0".
        processes: that train together.
    """
    short = [name.rpartition("device:")[2] or name for name in names]
    several = f" in each of {processes} processes" if processes > 1 else ""
    return f"{_counted(replicas, 'replica')} on {', '.join(short)}{several}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
