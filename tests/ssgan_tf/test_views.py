"""Weak and strong views: in form and range as their images, repeated by seed and step, true to their kind."""

import numpy as np
import pytest
import tensorflow as tf

from ssgan_tf.step_context import StepContext
from ssgan_tf.views import KINDS, STRONG, WEAK, Amounts, kind_for, view


def step_of(number=0, seed=3):
    return StepContext(seed, tf.constant(number, tf.int64))


def images_of(channels=1, count=64, side=12):
    random = np.random.default_rng(0)
    return tf.constant(random.uniform(-1, 1, (count, side, side, channels)), tf.float32)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_view_has_the_form_of_its_image_and_repeats_with_its_step(kind, channels):
    images = images_of(channels)
    for amounts in (WEAK[kind], STRONG[kind]):
        seen = view(images, step_of(), amounts).numpy()
        assert seen.shape == images.shape and seen.dtype == np.float32
        # a bilinear pixel may round past the largest of its four
        assert seen.min() >= -1.00001 and seen.max() <= 1.00001
        assert np.array_equal(seen, view(images, step_of(), amounts))
        assert np.array_equal(seen, view(images, step_of(1), amounts)) == (kind == "none")


def test_a_strong_view_is_farther_from_its_image_than_a_weak_one():
    # diagonal, so that a shift along either axis is seen
    across = tf.linspace(-1.0, 1.0, 28)
    ramp = (across[:, tf.newaxis] + across[tf.newaxis, :]) / 2.0
    ramp = tf.tile(ramp[tf.newaxis, :, :, tf.newaxis], [256, 1, 1, 3])
    for kind in set(KINDS) - {"none"}:
        weak, strong = (
            tf.reduce_mean(tf.abs(view(ramp, step_of(), a) - ramp)) for a in (WEAK[kind], STRONG[kind])
        )
        assert strong > 1.2 * weak > 0, kind


def test_only_natural_views_are_mirrored_half_of_them():
    ramp = tf.tile(tf.linspace(-1.0, 1.0, 16)[tf.newaxis, tf.newaxis, :, tf.newaxis], [512, 16, 1, 1])
    for kind in KINDS:
        # what is hidden stands nowhere in particular
        seen = view(ramp, step_of(), WEAK[kind])
        falling = tf.reduce_mean(seen[:, :, :4, 0], [1, 2]) > tf.reduce_mean(seen[:, :, -4:, 0], [1, 2])
        share = float(tf.reduce_mean(tf.cast(falling, tf.float32)))
        assert 0.4 < share < 0.6 if kind == "natural" else share == 0.0, kind
    assert WEAK["digits"].mirror == STRONG["digits"].mirror is False
    mirrored = view(ramp, step_of(), Amounts(mirror=True)).numpy()
    flipped = np.array([np.allclose(each, ramp[0, :, ::-1], atol=1e-5) for each in mirrored])
    as_it_was = np.array([np.allclose(each, ramp[0], atol=1e-5) for each in mirrored])
    assert (flipped ^ as_it_was).all()


def test_a_hidden_square_has_the_size_that_is_asked_for():
    white = tf.ones([512, 20, 20, 1])
    seen = view(white, step_of(), Amounts(hidden=0.5)).numpy()
    rows = (seen == -1).any((2, 3)).sum(1)
    assert rows.max() == 10 and rows.min() < 7
    assert set(np.unique(seen)) == {-1.0, 1.0}
    # of colour images grey is what is no colour
    assert set(np.unique(view(tf.ones([64, 20, 20, 3]), step_of(), Amounts(hidden=0.5)))) == {0.0, 1.0}


def test_grey_images_are_taken_for_signs_and_nothing_is_mirrored_unasked():
    assert kind_for(1) == "digits" and kind_for(3) == "colours"
    for channels in (1, 3):
        assert not WEAK[kind_for(channels)].mirror and not STRONG[kind_for(channels)].mirror


def test_views_that_are_only_moved_move_by_whole_pixels_and_stay_sharp():
    images = tf.where(images_of() > 0.0, 1.0, -1.0)
    seen = view(images, step_of(), Amounts(shift=0.2)).numpy()
    assert set(np.unique(seen)) == {-1.0, 1.0}
    assert not np.array_equal(seen, images)
    assert len(np.unique(view(images, step_of(), Amounts(shift=0.2, rotate=5.0)))) > 2
