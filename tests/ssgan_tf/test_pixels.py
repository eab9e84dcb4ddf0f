"""Pixels in: our own resize against TensorFlow's, channels, and scales that go back."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from ssgan_tf import pixels

RNG = np.random.default_rng(1)


@pytest.mark.parametrize("source", [(8, 8), (28, 28), (7, 31), (64, 64)])
@pytest.mark.parametrize("target", [(16, 16), (64, 64), (5, 9), (28, 28)])
@pytest.mark.parametrize("channels", [1, 3])
def test_resizing_between_known_sizes_is_tensorflows(source, target, channels):
    images = tf.constant(RNG.uniform(0, 255, (3, *source, channels)), tf.float32)
    expected = tf.image.resize(images, target, antialias=True)
    resized = pixels.resize_known(images, *target)
    assert resized.shape == expected.shape
    # of 255 levels; TensorFlow's weights carry the rounding of a float32 scale
    np.testing.assert_allclose(resized, expected, atol=0.01)


def test_scale_maps_black_and_white_whatever_the_size():
    for size in (None, 8, 16, 4):
        for value, want in ((0, -1.0), (255, 1.0)):
            images = tf.fill([2, 8, 8, 1], tf.constant(value, tf.uint8))
            np.testing.assert_allclose(pixels.scale(images, -1.0, 1.0, size), want, atol=1e-5)


@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (0.0, 1.0)])
def test_unscale_undoes_scale(low, high):
    images = tf.constant(RNG.integers(0, 256, (2, 8, 8, 3), np.uint8))
    np.testing.assert_array_equal(pixels.unscale(pixels.scale(images, low, high), low, high), images)


def test_fit_leaves_an_image_of_the_right_size_alone():
    image = tf.constant(RNG.integers(0, 256, (9, 5, 3), np.uint8))
    np.testing.assert_array_equal(pixels.fit(image, 9, 5), image)
    assert pixels.fit(image, 4, 4).shape == (4, 4, 3)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_channels_drop_alpha_and_convert(count):
    image = tf.constant(RNG.integers(0, 256, (4, 4, count), np.uint8))
    colours = image[..., :3] if count >= 3 else tf.repeat(image[..., :1], 3, axis=-1)
    np.testing.assert_array_equal(pixels.to_channels(image, 3), colours)
    grey = tf.image.rgb_to_grayscale(colours) if count >= 3 else image[..., :1]
    np.testing.assert_array_equal(pixels.to_channels(image, 1), grey)
