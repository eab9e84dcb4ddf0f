"""Pixels in: our own resize against TensorFlow's, channels, and scales that go back."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from ssgan_tf import pixels
from ssgan_tf.framing import FILL, FIT, MODES, Framing, centre, inner

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


@pytest.mark.parametrize("resize", MODES)
def test_an_image_of_the_right_size_is_left_alone(resize):
    image = tf.constant(RNG.integers(0, 256, (9, 5, 3), np.uint8))
    np.testing.assert_array_equal(pixels.to_size(image, 9, 5, Framing(resize)), image)
    assert pixels.to_size(image, 4, 4, Framing(resize)).shape == (4, 4, 3)


def test_an_image_of_the_right_proportions_is_the_same_in_all_modes():
    for size, target in (((28, 28), (16, 16)), ((8, 8), (32, 32)), ((30, 20), (12, 8))):
        image = tf.constant(RNG.integers(0, 256, (*size, 3), np.uint8))
        one, *others = (pixels.to_size(image, *target, Framing(resize, 7)) for resize in MODES)
        for other in others:
            np.testing.assert_array_equal(other, one)


@pytest.mark.parametrize(("size", "target"), [((40, 17), (16, 16)), ((9, 50), (20, 10)), ((3, 2), (9, 30))])
def test_fill_resizes_the_centre_and_fit_surrounds_with_exactly_the_background(size, target):
    for kind in (np.uint8, np.float32):
        image = tf.constant(RNG.integers(0, 256, (2, *size, 3)).astype(kind))
        rows, columns = centre(size, target)
        top, left = (size[0] - rows) // 2, (size[1] - columns) // 2
        part = image[:, top : top + rows, left : left + columns]
        np.testing.assert_array_equal(
            pixels.to_size(image, *target, Framing(FILL)), pixels.to_size(part, *target)
        )
        rows, columns = inner(size, target)
        top, left = (target[0] - rows) // 2, (target[1] - columns) // 2
        expected = np.full((2, *target, 3), 77, np.uint8)
        expected[:, top : top + rows, left : left + columns] = pixels.to_size(image, rows, columns)
        np.testing.assert_array_equal(pixels.to_size(image, *target, Framing(FIT, 77)), expected)


SIDE, LONG = st.integers(1, 400), st.integers(1, pixels.MAX_PIXELS)


@settings(max_examples=200, deadline=None, database=None)
@given(size=st.one_of(st.tuples(SIDE, SIDE), st.tuples(LONG, st.just(1))), target=st.tuples(SIDE, SIDE))
def test_a_part_and_a_place_keep_the_proportions_to_a_pixel(size, target):
    for sides in (size, size[::-1]):
        part, place = centre(sides, target), inner(sides, target)
        # one side is whole, and the other as long as it makes the proportions
        for (one, other), (high, wide), whole in ((part, target, sides), (place, sides, target)):
            assert one == whole[0] or other == whole[1]
            assert 1 <= one <= whole[0] and 1 <= other <= whole[1]
            assert one == whole[0] or one == 1 or abs(one - other * high / wide) <= 0.5
            assert other == whole[1] or other == 1 or abs(other - one * wide / high) <= 0.5


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_channels_drop_alpha_and_convert(count):
    image = tf.constant(RNG.integers(0, 256, (4, 4, count), np.uint8))
    colours = image[..., :3] if count >= 3 else tf.repeat(image[..., :1], 3, axis=-1)
    np.testing.assert_array_equal(pixels.to_channels(image, 3), colours)
    grey = tf.image.rgb_to_grayscale(colours) if count >= 3 else image[..., :1]
    np.testing.assert_array_equal(pixels.to_channels(image, 1), grey)
