"""Exponential moving averages of the weights, without the bias of a start at zero.

With decay d the plain average after t steps gives weight d**t to its start. Here step t moves the
average by (1 - d) / (1 - d**t) towards the weights, which is the same average divided by 1 - d**t: after
the first step it equals the weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras
import tensorflow as tf


def raw_variables(network: keras.Model) -> list[tf.Variable]:
    """The TensorFlow variables of a network, trained and moving ones, in creation order."""
    return [variable.value for variable in network.variables]


def update_rate(decay: float, step: tf.Tensor) -> tf.Tensor:
    """How far step `step` (from 0) moves the average towards the weights, in (0, 1]."""
    count = tf.cast(step, tf.float32) + 1.0
    return (1.0 - decay) / (1.0 - tf.pow(tf.constant(decay, tf.float32), count))


def update_averages(
    strategy: tf.distribute.Strategy,
    averages: Mapping[str, keras.Model],
    networks: Mapping[str, keras.Model],
    rate: tf.Tensor,
) -> None:
    """Moves every average by `rate` towards its weight; called in cross-replica context."""

    def move(average: tf.Variable, weight: tf.Tensor, rate: tf.Tensor) -> tf.Operation:
        # one kernel less than assign_add
        return tf.raw_ops.ResourceApplyGradientDescent(var=average.handle, alpha=rate, delta=average - weight)

    for average, weight in _pairs(averages, networks):
        strategy.extended.update(average, move, args=(weight, rate), group=False)


def copy_weights(into: Mapping[str, keras.Model], networks: Mapping[str, keras.Model]) -> None:
    """Sets the averages to the weights."""
    for average, weight in _pairs(into, networks):
        average.assign(weight)


def _pairs(
    averages: Mapping[str, keras.Model], networks: Mapping[str, keras.Model]
) -> Sequence[tuple[tf.Variable, tf.Variable]]:
    return [
        pair
        for name in networks
        for pair in zip(raw_variables(averages[name]), raw_variables(networks[name]), strict=True)
    ]
