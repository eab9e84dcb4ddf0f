"""Does this machine compute faster in bfloat16 than in float32? Measured, once a process.

One convolution of 3x3 forward and backward stands for a training step: most of a step's time goes into
convolutions. Of a processor that is known to have no arithmetic in bfloat16 nothing is measured: there it is
emulated, and slower.
"""

from __future__ import annotations

import functools
import re
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from ssgan_tf.devices import visible_gpus

FLOAT32, BFLOAT16 = "float32", "mixed_bfloat16"
FASTER = 1.15
"""How many times as fast bfloat16 must be: less is not worth its rounding."""
REPEATS = 7
BUDGET = 1.2
"""Seconds after which no repetition is begun, the first calls, which trace, among them."""
ON_A_CPU = (32, 16, 64)
ON_A_GPU = (256, 32, 128)
"""Images, their side, and channels: on a GPU so many that it is not the launch that is measured."""
_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})
_CPUINFO = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Speed:
    """Seconds of one convolution forward and backward in each type; None: not measured."""

    float32: float | None = None
    bfloat16: float | None = None

    @property
    def dtype(self) -> str:
        """The faster Keras dtype policy: "mixed_bfloat16" or "float32"."""
        if self.float32 is None or self.bfloat16 is None:
            return FLOAT32
        return BFLOAT16 if self.float32 >= FASTER * self.bfloat16 else FLOAT32

    def in_words(self) -> str:
        """What was measured."""
        if self.float32 is None or self.bfloat16 is None:
            return "this processor has no arithmetic in bfloat16"
        return (
            f"a convolution took {1e3 * self.bfloat16:.3g} ms in bfloat16 and {1e3 * self.float32:.3g} ms in "
            f"float32; from {FASTER:g} times as fast bfloat16 is taken"
        )


@functools.cache
def speed_here() -> Speed:
    """Measures the device that TensorFlow computes on by itself: the first GPU, or else the CPU."""
    if not _may_pay():
        return Speed()
    began = time.perf_counter()
    size = ON_A_GPU if visible_gpus() else ON_A_CPU
    steps = {dtype: _step(dtype, *size) for dtype in (tf.float32, tf.bfloat16)}
    seconds: dict[tf.DType, list[float]] = {dtype: [] for dtype in steps}
    # in turns: what else the machine does then slows both
    while len(seconds[tf.bfloat16]) < REPEATS:
        for dtype, step in steps.items():
            start = time.perf_counter()
            step()
            seconds[dtype].append(time.perf_counter() - start)
        if time.perf_counter() - began > BUDGET:
            break
    return Speed(*(statistics.median(found) for found in seconds.values()))


def _may_pay() -> bool:
    """Whether there may be arithmetic in bfloat16: a GPU, or a processor that is not known to lack it."""
    if visible_gpus():
        return True
    try:
        flags = re.search(r"^flags\s*:(.*)$", _CPUINFO.read_text(), re.MULTILINE)
    except OSError:
        return True
    return flags is None or bool(_FLAGS & set(flags.group(1).split()))


def _step(dtype: tf.DType, count: int, side: int, channels: int) -> Callable[[], float]:
    """A convolution with its gradients, as mixed precision has it: weights in float32; called once."""
    numbers = np.random.default_rng(0)
    images = tf.constant(numbers.normal(size=(count, side, side, channels)), dtype)
    kernel = tf.constant(numbers.normal(size=(3, 3, channels, channels)) / (3 * channels**0.5), tf.float32)

    @tf.function(autograph=False)
    def gradients(images: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch([images, kernel])
            out = tf.nn.conv2d(images, tf.cast(kernel, dtype), 1, "SAME")
            loss = tf.reduce_mean(tf.square(tf.cast(out, tf.float32)))
        found = tape.gradient(loss, [images, kernel])
        return tf.add_n([tf.reduce_sum(tf.cast(one, tf.float32)) for one in found])

    def step() -> float:
        # a number that is read here: a GPU has then done its work
        return float(gradients(images, kernel))

    step()
    return step
