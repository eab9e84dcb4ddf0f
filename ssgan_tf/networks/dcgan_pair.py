"""The DCGAN-like discriminator and generator of the `ssgan` recipe, mirrors of each other.

At 64x64 and width 1 the discriminator's feature maps run 64 -> 32x32x128 -> 16x16x256 -> 4x4x512 ->
2x2x1024; smaller or larger images change the strides of the first three convolutions.
"""

from __future__ import annotations

from typing import NamedTuple

import keras
import tensorflow as tf

from ssgan_tf.errors import UsageError
from ssgan_tf.networks.convolutions import Conv2D, Conv2DTranspose
from ssgan_tf.networks.layers import BatchNormalization, Dropout, leaky_relu

# strides of the first three convolutions, whose product is a quarter of the image's side
STRIDES = {16: (2, 2, 1), 32: (2, 2, 2), 64: (2, 2, 4), 128: (4, 2, 4)}


class Outputs(NamedTuple):
    """A discriminator's outputs: `logits` [B, units] and the matched `features` [B, F], float32."""

    logits: tf.Tensor
    features: tf.Tensor


def channels(width: float, full: int) -> int:
    """Returns the number of filters of a layer that has `full` of them at width 1 (at least 4)."""
    return max(4, round(full * width))


def strides_for(image_size: int) -> tuple[int, int, int]:
    """Returns the strides for an image side.

    Raises:
        UsageError: the networks are not defined for that side.
    """
    if image_size not in STRIDES:
        raise UsageError(
            f"recipe.image_size must be one of {', '.join(map(str, STRIDES))}; got {image_size}."
        )
    return STRIDES[image_size]


def fitting_size(image_shape: tuple[int, int, int]) -> int:
    """Returns the smallest side the networks are defined for that holds images (H, W, C)."""
    return next((size for size in STRIDES if size >= max(image_shape[:2])), max(STRIDES))


def initial_weights() -> keras.initializers.Initializer:
    """DCGAN's initial kernels, N(0, 0.02) (Radford et al. 2016)."""
    return keras.initializers.RandomNormal(0.0, 0.02)


class Discriminator(keras.Model):
    """conv 4 128, lReLU, dropout; conv 4 256, lReLU, BN, dropout; conv 4 512, lReLU, BN, dropout;
    conv 3 1024 valid, lReLU (no BN, no dropout: the matched features); average pooling; dense.
    """

    def __init__(self, *, image_size: int, width: float, units: int, dropout: float, dtype: str) -> None:
        super().__init__(name="discriminator", dtype=dtype)
        first, second, third = strides_for(image_size)

        def conv(filters: int, kernel: int, stride: int, padding: str) -> keras.layers.Layer:
            return Conv2D(
                channels(width, filters),
                kernel,
                stride,
                padding,
                activation=leaky_relu(0.2),
                kernel_initializer=initial_weights(),
                dtype=dtype,
            )

        self.body = [
            conv(128, 4, first, "same"),
            Dropout(dropout, dtype=dtype),
            conv(256, 4, second, "same"),
            BatchNormalization(dtype=dtype),
            Dropout(dropout, dtype=dtype),
            conv(512, 4, third, "same"),
            BatchNormalization(dtype=dtype),
            Dropout(dropout, dtype=dtype),
            conv(1024, 3, 1, "valid"),
        ]
        self.head = keras.layers.Dense(units, dtype="float32")

    def call(self, images: tf.Tensor, training: bool = False) -> Outputs:
        """Maps images [B, S, S, C] in [-1, 1] to logits and features."""
        x = images
        for layer in self.body:
            x = layer(x, training=training)
        features = tf.reduce_mean(tf.cast(x, tf.float32), [1, 2])
        return Outputs(self.head(features), features)


class Generator(keras.Model):
    """deconv 4 512 valid; deconv 4 256 same; deconv 4 128 same, each ReLU, BN, dropout; deconv 4 C same,
    tanh. At 64x64 the strides are 1, 4, 2, 2.
    """

    def __init__(
        self, *, image_size: int, width: float, image_channels: int, dropout: float, dtype: str
    ) -> None:
        super().__init__(name="generator", dtype=dtype)
        first, second, third = strides_for(image_size)
        self.body: list[keras.layers.Layer] = []

        def deconv(filters: int, stride: int, padding: str, activation: str | None) -> keras.layers.Layer:
            return Conv2DTranspose(
                filters,
                4,
                stride,
                padding,
                activation=activation,
                kernel_initializer=initial_weights(),
                dtype=dtype,
            )

        for filters, stride, padding in ((512, 1, "valid"), (256, third, "same"), (128, second, "same")):
            self.body += [
                deconv(channels(width, filters), stride, padding, "relu"),
                BatchNormalization(dtype=dtype),
                Dropout(dropout, dtype=dtype),
            ]
        self.body.append(deconv(image_channels, first, "same", None))

    def call(self, latent: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Maps latent vectors [B, Z] to images float32 [B, S, S, C] in [-1, 1]."""
        x = latent[:, tf.newaxis, tf.newaxis, :]
        for layer in self.body:
            x = layer(x, training=training)
        return tf.tanh(tf.cast(x, tf.float32))
