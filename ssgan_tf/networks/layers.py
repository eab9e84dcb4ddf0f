"""Layers whose randomness and statistics come from the training step's context.

Keras's own dropout and noise keep their random state in a variable, and its batch normalisation blurs
its moving statistics with generated images; these take both from `StepContext`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from ssgan_tf.networks.normalised_inputs import tell_input
from ssgan_tf.step_context import current_step


class Dropout(keras.layers.Layer):
    """Dropout (Srivastava et al. 2014) with a mask that is a function of seed, step and position.

    Random bits are a large part of a step on a CPU, so each mask value takes one byte of them.

    Args:
        rate: share of the activations set to 0, in [0, 1), rounded to a multiple of 1/256; the rest is
            divided by 1 - rate.
    """

    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = rate
        self.dropped = min(round(rate * 256), 255)

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Returns the inputs [B, ...] with dropped activations, or unchanged outside of training."""
        if not training or self.dropped == 0:
            return inputs
        keep = current_step().random_bytes(inputs.shape) >= self.dropped
        scale = tf.cast(256.0 / (256.0 - self.dropped), inputs.dtype)
        return inputs * (tf.cast(keep, inputs.dtype) * scale)


class GaussianNoise(keras.layers.Layer):
    """Adds N(0, stddev**2) in training; nothing at inference."""

    def __init__(self, stddev: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stddev = stddev

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Returns the inputs [B, ...] with noise added in training."""
        if not training or self.stddev == 0:
            return inputs
        noise = current_step().normal(inputs.shape, self.stddev)
        return inputs + tf.cast(noise, inputs.dtype)


class BatchNormalization(keras.layers.Layer):
    """Batch normalisation (Ioffe and Szegedy 2015) over the global batch, fused on one replica.

    The moving statistics follow with `momentum` 0.9 (Keras's 0.99 still lags after a few hundred
    steps), and only passes outside `StepContext.frozen_statistics` move them.

    Args:
        scale: whether to learn gamma.
        always_batch: use the batch's statistics at inference too.
    """

    def __init__(
        self,
        momentum: float = 0.9,
        epsilon: float = 1e-5,
        scale: bool = True,
        always_batch: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.momentum, self.epsilon = momentum, epsilon
        self.scale, self.always_batch = scale, always_batch

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates beta, gamma (if learned) and the moving statistics, each float32 [C]."""
        shape = (input_shape[-1],)
        # the fused operation takes 16-bit inputs, but its parameters in float32 only
        exact = {"dtype": "float32", "autocast": False}
        self.gamma = (
            self.add_weight(shape=shape, initializer="ones", name="gamma", **exact) if self.scale else None
        )
        self.beta = self.add_weight(shape=shape, initializer="zeros", name="beta", **exact)
        moving = {"trainable": False, "aggregation": "only_first_replica", **exact}
        self.moving_mean = self.add_weight(shape=shape, initializer="zeros", name="moving_mean", **moving)
        self.moving_variance = self.add_weight(
            shape=shape, initializer="ones", name="moving_variance", **moving
        )

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Normalises [B, C] or [B, H, W, C] over all axes but the last."""
        beta = tf.convert_to_tensor(self.beta)
        gamma = tf.convert_to_tensor(self.gamma) if self.scale else tf.ones_like(beta)
        rank = inputs.shape.rank
        x = inputs if rank == 4 else inputs[:, tf.newaxis, tf.newaxis, :]
        if not training and not self.always_batch:
            tell_input(self, inputs)
            out, *_ = tf.raw_ops.FusedBatchNormV3(
                x=x,
                scale=gamma,
                offset=beta,
                mean=tf.convert_to_tensor(self.moving_mean),
                variance=tf.convert_to_tensor(self.moving_variance),
                epsilon=self.epsilon,
                is_training=False,
            )
        else:
            out, mean, variance = self._by_batch(x, gamma, beta, training)
            if training and not self.always_batch and current_step().updates_statistics:
                self._move(self.moving_mean, mean)
                self._move(self.moving_variance, variance)
        return out if rank == 4 else out[:, 0, 0, :]

    def _by_batch(
        self, x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, training: bool
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        if not training or current_step().replicas == 1:
            out, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
                x=x, scale=gamma, offset=beta, mean=[], variance=[], epsilon=self.epsilon, is_training=True
            )
            return out, mean, variance
        x32 = tf.cast(x, tf.float32)
        step = current_step()
        mean = step.all_mean(tf.reduce_mean(x32, [0, 1, 2]))
        variance = step.all_mean(tf.reduce_mean(tf.math.squared_difference(x32, mean), [0, 1, 2]))
        out = (x32 - mean) * (tf.math.rsqrt(variance + self.epsilon) * gamma) + beta
        count = tf.cast(tf.size(x32) // x.shape[-1] * step.replicas, tf.float32)
        # the fused op reports the unbiased variance
        return tf.cast(out, x.dtype), mean, variance * count / (count - 1.0)

    def _move(self, moving: Any, value: tf.Tensor) -> None:
        # a plain mean over the first steps, so that nothing of the initial 0 and 1 stays: variances of
        # 1e-5 occur, and one part in a thousand of the initial 1 would drown them
        count = tf.cast(current_step().step, tf.float32) + 1.0
        rate = tf.maximum(1.0 - self.momentum, 1.0 / count)
        moving.assign_add((tf.stop_gradient(value) - moving) * rate)


def leaky_relu(slope: float) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns a leaky ReLU activation with the given negative slope, in (0, 1).

    Its gradient looks at the output, which has the input's sign: the input is then needed by nobody, and
    TensorFlow runs the activation in one kernel with the product and the bias before it.
    """

    @tf.custom_gradient
    def activate(x: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        y = tf.nn.leaky_relu(x, slope)

        def gradient(dy: tf.Tensor) -> tf.Tensor:
            return tf.raw_ops.LeakyReluGrad(gradients=dy, features=y, alpha=slope)

        return y, gradient

    activate.__name__ = f"leaky_relu({slope:g})"
    return activate
