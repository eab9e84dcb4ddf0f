"""Convolutions in their training form against Keras's, and in their plain form outside of training."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ssgan_tf.networks import convolutions
from ssgan_tf.networks.convolutions import Conv2D, Conv2DTranspose

# kernel, stride, padding, side, channels, filters, whether the matrix product is used
CONVOLUTIONS = [
    (4, 2, "same", 16, 1, 8, True),
    (5, 2, "same", 12, 1, 8, True),
    (3, 2, "same", 12, 2, 8, True),
    (3, 1, "same", 6, 3, 4, True),
    (4, 4, "same", 16, 24, 8, True),
    (1, 1, "same", 5, 70, 8, True),
    (3, 1, "valid", 4, 70, 8, True),
    (3, 1, "valid", 6, 70, 8, False),
    (4, 2, "same", 16, 24, 8, False),
    (4, 2, "same", 15, 1, 8, False),
]
TRANSPOSED = [
    (4, 1, "valid", 1, 10, 8, True),
    (4, 4, "same", 4, 10, 8, True),
    (4, 2, "same", 8, 10, 1, True),
    (5, 2, "same", 7, 10, 1, True),
    (3, 2, "same", 7, 10, 2, True),
    (3, 1, "same", 7, 10, 1, True),
    (1, 1, "same", 7, 10, 4, True),
    (4, 2, "same", 8, 10, 24, False),
    (4, 1, "valid", 3, 10, 24, False),
]


def outcome(layer, images, weights, **arguments):
    """The layer's output, and the gradients of a weighted sum of it to images, kernel and bias."""
    with tf.GradientTape() as tape:
        tape.watch(images)
        out = layer(images, **arguments)
        total = tf.reduce_sum(out * weights)
    return [out, *tape.gradient(total, [images, *(v.value for v in layer.trainable_variables)])]


@pytest.mark.parametrize(
    ("ours", "theirs", "case"),
    [(Conv2D, keras.layers.Conv2D, case) for case in CONVOLUTIONS]
    + [(Conv2DTranspose, keras.layers.Conv2DTranspose, case) for case in TRANSPOSED],
)
def test_training_form_is_the_same_convolution(ours, theirs, case, monkeypatch):
    side, stride, padding, size, channels, filters, by_product = case
    calls = []
    for name in ("_conv_by_blocks", "_deconv_by_blocks"):
        original = getattr(convolutions, name)
        monkeypatch.setattr(convolutions, name, lambda *a, f=original: calls.append(1) or f(*a))
    images = tf.random.stateless_normal([3, size, size, channels], [1, 2])
    layer = ours(filters, side, stride, padding, activation="tanh")
    reference = theirs(filters, side, stride, padding, activation="tanh")
    weights = tf.random.stateless_normal(layer(images).shape, [3, 4])
    reference(images)
    layer.bias.assign(tf.random.stateless_normal([filters], [5, 6]))
    reference.set_weights(layer.get_weights())
    expected = outcome(reference, images, weights)
    for training in (False, True):
        calls.clear()
        for mine, right in zip(outcome(layer, images, weights, training=training), expected, strict=True):
            np.testing.assert_allclose(mine, right, rtol=1e-4, atol=1e-5 * float(tf.reduce_max(abs(right))))
        assert bool(calls) == (training and by_product)
