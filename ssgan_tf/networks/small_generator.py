"""The generator of the recipe `few-labels`: a dense layer and two transposed convolutions."""

from __future__ import annotations

import keras

from ssgan_tf.networks.convolutions import Conv2DTranspose
from ssgan_tf.networks.dcgan_pair import channels
from ssgan_tf.networks.layers import BatchNormalization
from ssgan_tf.networks.stack import Stack


def small_generator(side: int, depth: int, width: float, dtype: str) -> keras.Model:
    """Builds a generator of images [B, side, side, depth] in [-1, 1].

    Args:
        side: a multiple of 4.
        depth: channels of an image.
        width: multiplies the filters, 64 and 32.
        dtype: Keras dtype policy of the layers.
    """
    start, filters = side // 4, channels(width, 64)
    body = [
        keras.layers.Dense(start * start * filters, use_bias=False, dtype=dtype),
        BatchNormalization(dtype=dtype),
        keras.layers.Activation("relu", dtype=dtype),
        keras.layers.Reshape([start, start, filters], dtype=dtype),
        Conv2DTranspose(channels(width, 32), 4, 2, "same", use_bias=False, dtype=dtype),
        BatchNormalization(dtype=dtype),
        keras.layers.Activation("relu", dtype=dtype),
        Conv2DTranspose(depth, 4, 2, "same", dtype=dtype),
        keras.layers.Activation("tanh", dtype="float32"),
    ]
    return Stack(body, name="generator", dtype=dtype)
