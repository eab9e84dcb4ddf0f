"""Plain stacks of layers, and the image sizes that networks with two strides of 2 can take."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf

from ssgan_tf.declare import Rule
from ssgan_tf.errors import UsageError
from ssgan_tf.networks.convolutions import Conv2D, Conv2DTranspose
from ssgan_tf.networks.layers import BatchNormalization, Dropout, GaussianNoise

# the layers whose call takes `training`; Keras's other layers refuse it
TAKE_TRAINING = (BatchNormalization, Dropout, GaussianNoise, Conv2D, Conv2DTranspose)


# what a setting of the networks' image side may be
QUARTERABLE = Rule(
    "a multiple of 4 from 8 to 256, or 0 for the data's size",
    lambda side: side == 0 or (side % 4 == 0 and 8 <= side <= 256),
)


class Stack(keras.Model):
    """Layers one after the other; `training` reaches those that need it, and the output is float32.

    Args:
        layers: applied in this order.
        name: the network's name.
        dtype: Keras dtype policy of the network.
    """

    def __init__(self, layers: Sequence[keras.layers.Layer], *, name: str, dtype: str) -> None:
        super().__init__(name=name, dtype=dtype)
        self.body = list(layers)

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Maps inputs [B, ...] to the last layer's output, float32."""
        x = inputs
        for layer in self.body:
            x = layer(x, training=training) if isinstance(layer, TAKE_TRAINING) else layer(x)
        return tf.cast(x, tf.float32)


def quarterable_side(image_size: int, image_shape: tuple[int, int, int]) -> int:
    """Returns the side of the networks' square images, which two strides of 2 must divide.

    Args:
        image_size: the setting; 0 means the smallest possible side that holds the data's images.
        image_shape: record images (H, W, C).

    Raises:
        UsageError: the data's images are larger than 256.
    """
    side = image_size or max(8, -(-max(image_shape[:2]) // 4) * 4)
    if not QUARTERABLE.holds(side):
        raise UsageError(f"recipe.image_size must be {QUARTERABLE.words}; got {side}.")
    return side
