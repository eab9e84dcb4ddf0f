"""Weight normalisation with data-dependent initial scales, and the classifier built from it.

Salimans and Kingma 2016, "Weight Normalization", sections 2 and 3; the classifier is that of Salimans
et al. 2016, "Improved Techniques for Training GANs", for MNIST.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from ssgan_tf.networks.dcgan_pair import Outputs
from ssgan_tf.networks.layers import GaussianNoise


class WeightNormDense(keras.layers.Layer):
    """A dense layer with W = g * V / |V| for each unit.

    Args:
        units: number of outputs.
        stddev: deviation of the normal distribution that V starts from.
        train_scale: whether g is trained; it is 1 until `initialise` sets it.
    """

    def __init__(self, units: int, *, stddev: float = 0.1, train_scale: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units, self.stddev, self.train_scale = units, stddev, train_scale

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates V [inputs, units], g [units] and the bias [units], all float32."""
        shared = {"dtype": "float32", "autocast": False}
        self.direction = self.add_weight(
            shape=(input_shape[-1], self.units),
            initializer=keras.initializers.RandomNormal(0.0, self.stddev),
            name="direction",
            **shared,
        )
        self.scale = self.add_weight(
            shape=(self.units,), initializer="ones", name="scale", trainable=self.train_scale, **shared
        )
        self.bias = self.add_weight(shape=(self.units,), initializer="zeros", name="bias", **shared)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Maps [B, inputs] to [B, units], in the layer's computation type."""
        x = tf.cast(inputs, self.compute_dtype)
        # scaling the few outputs instead of the many weights is the same product
        out = tf.matmul(x, tf.cast(tf.convert_to_tensor(self.direction), self.compute_dtype))
        return out * tf.cast(self._gain(), out.dtype) + tf.cast(tf.convert_to_tensor(self.bias), out.dtype)

    def _gain(self) -> tf.Tensor:
        # g / |V| of each unit
        norm = tf.sqrt(tf.reduce_sum(tf.square(tf.convert_to_tensor(self.direction)), axis=0))
        return tf.convert_to_tensor(self.scale) / norm

    def initialise(self, inputs: tf.Tensor) -> tf.Tensor:
        """Sets g and the bias so that the outputs on `inputs` have mean 0 and variance 1.

        Args:
            inputs: float [N, inputs], N of at least some hundreds.

        Returns:
            The outputs [N, units] under the new g and bias, float32.
        """
        out = tf.matmul(tf.cast(inputs, tf.float32), tf.convert_to_tensor(self.direction)) * self._gain()
        mean = tf.reduce_mean(out, 0)
        deviation = tf.math.reduce_std(out, 0) + 1e-6
        self.scale.assign(tf.convert_to_tensor(self.scale) / deviation)
        self.bias.assign(-mean / deviation)
        return (out - mean) / deviation


class WeightNormClassifier(keras.Model):
    """noise 0.3, dense, ReLU; then noise 0.5, dense, ReLU for each further width; noise 0.5, dense.

    Args:
        widths: units of the hidden layers; the last gives the matched features.
        units: number of logits.
        dtype: Keras dtype policy.
    """

    def __init__(self, *, widths: Sequence[int], units: int, dtype: str) -> None:
        super().__init__(name="discriminator", dtype=dtype)
        self.noises = [
            GaussianNoise(0.5 if number else 0.3, dtype=dtype) for number in range(len(widths) + 1)
        ]
        self.hidden = [WeightNormDense(width, dtype=dtype) for width in widths]
        self.head = WeightNormDense(units, train_scale=True, dtype=dtype)

    def call(self, images: tf.Tensor, training: bool = False) -> Outputs:
        """Maps images [B, H, W, C] in [0, 1] to logits [B, units] and features [B, widths[-1]]."""
        x = tf.reshape(images, [-1, images.shape[1] * images.shape[2] * images.shape[3]])
        for noise, layer in zip(self.noises, self.hidden, strict=False):
            x = tf.nn.relu(layer(noise(x, training=training)))
        logits = self.head(self.noises[-1](x, training=training))
        return Outputs(tf.cast(logits, tf.float32), tf.cast(x, tf.float32))

    def initialise(self, images: tf.Tensor) -> None:
        """Sets every layer's scale and bias from images float [N, H, W, C] in [0, 1], with noise on.

        The noise is drawn with fixed seeds, as no training step is under way yet.
        """
        x = tf.reshape(images, [-1, images.shape[1] * images.shape[2] * images.shape[3]])
        for number, (noise, layer) in enumerate(zip(self.noises, [*self.hidden, self.head], strict=True)):
            x += tf.random.stateless_normal(tf.shape(x), [number, 0], stddev=noise.stddev)
            x = tf.nn.relu(layer.initialise(x))
