"""Random views against what geometry says of a bright spot, and what sees them."""

import numpy as np
import pytest
import tensorflow as tf

from ssgan_tf.augmentation import random_view
from ssgan_tf.step_context import StepContext
from ssgan_tf.systems.recipe import Batch
from tests.ssgan_tf.recipe_fixtures import build, first_step

SIDE, COUNT = 33, 64
CENTRE = (SIDE - 1) / 2


def spots(row, column):
    """`COUNT` images of one soft spot: interpolation keeps its mass and its centre."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    spot = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 4.0)
    return tf.constant(np.broadcast_to(spot[None, :, :, None], [COUNT, SIDE, SIDE, 1]), tf.float32)


def offsets(images):
    """Where each image's spot lies, (rows, columns) from the centre [B, 2]."""
    images = np.asarray(images)[..., 0]
    grid = np.arange(SIDE) - CENTRE
    mass = images.sum((1, 2))
    return np.stack([(images.sum(2) @ grid) / mass, (images.sum(1) @ grid) / mass], axis=1)


def test_without_amounts_nothing_happens():
    images = spots(10, 20)
    assert random_view(images, first_step()) is images


def test_shift_moves_within_its_share_of_the_side():
    moved = offsets(random_view(spots(CENTRE, CENTRE), first_step(), shift=0.1))
    reach = 0.1 * SIDE
    assert np.abs(moved).max() <= reach + 1e-3
    # both directions of both axes, independently, and most of the way
    assert (moved.max(0) > 0.8 * reach).all() and (moved.min(0) < -0.8 * reach).all()
    assert abs(np.corrcoef(moved.T)[0, 1]) < 0.4


def test_rotation_keeps_the_distance_to_the_centre():
    moved = offsets(random_view(spots(CENTRE, CENTRE + 9), first_step(), rotate=20.0))
    np.testing.assert_allclose(np.hypot(*moved.T), 9.0, rtol=0.01)
    angles = np.degrees(np.arctan2(moved[:, 0], moved[:, 1]))
    assert np.abs(angles).max() <= 20.5
    assert angles.max() > 15 and angles.min() < -15


def test_zoom_keeps_the_direction_from_the_centre():
    moved = offsets(random_view(spots(CENTRE, CENTRE + 8), first_step(), zoom=0.2))
    np.testing.assert_allclose(moved[:, 0], 0.0, atol=1e-3)
    assert 8 / 1.2 * 0.98 <= moved[:, 1].min() < 7.2
    assert 9.0 < moved[:, 1].max() <= 8 / 0.8 * 1.02


def test_border_values_fill_what_comes_in():
    white = tf.ones([COUNT, SIDE, SIDE, 2])
    np.testing.assert_allclose(random_view(white, first_step(), shift=0.3, rotate=30.0, zoom=0.2), 1.0)


def test_views_are_a_function_of_seed_and_step():
    images = spots(12, 18)

    def view(seed, step):
        return random_view(images, StepContext(seed, tf.constant(step)), shift=0.1, rotate=10.0).numpy()

    np.testing.assert_array_equal(view(1, 5), view(1, 5))
    for seed, step in ((1, 6), (2, 5)):
        assert np.abs(view(1, 5) - view(seed, step)).max() > 0.1


def test_gradient_is_the_view_turned_back():
    images, weights = spots(14, 19), spots(16, 15)
    with tf.GradientTape() as tape:
        tape.watch(images)
        views = random_view(images, first_step(), shift=0.05, rotate=10.0)
        products = tf.reduce_sum(views * weights, [1, 2, 3])
    gradient = tape.gradient(products, images)
    # a view is linear in its image, so the gradient gives the product back
    back = tf.reduce_sum(gradient * images, [1, 2, 3])
    np.testing.assert_allclose(back, products, rtol=0.05)


@pytest.mark.parametrize("recipe", ["sgan", "ssgan"])
def test_generated_images_are_seen_through_views_too(recipe):
    side = {"sgan": 8, "ssgan": 16}[recipe]
    drawn = tf.random.stateless_uniform([16, side, side, 1], [1, 2], -1.0, 1.0)
    networks = {"generator": lambda z, training=False: drawn}
    batch = Batch(tf.zeros([16, 8, 8, 1], tf.uint8), tf.fill([16], -1))
    still = build(recipe, shift=0.0, rotate=0.0).fakes(networks, batch, first_step())
    np.testing.assert_array_equal(still, drawn)
    moved = build(recipe, shift=0.1).fakes(networks, batch, first_step())
    assert moved.shape == drawn.shape
    assert (np.abs(moved - drawn).max((1, 2, 3)) > 0.05).all()
