"""The picture of a recipe's views shows the images themselves, and below them what training takes of them."""

import numpy as np
import pytest
import tensorflow as tf

from ssgan_tf.recipes import load_recipe
from ssgan_tf.systems.recipe import DataSpec
from ssgan_tf.training.views_picture import SHOWN, views_picture


def build(recipe, shape, **settings):
    chosen = load_recipe(recipe)
    return chosen.build(chosen.configure("small", settings), DataSpec(shape, 10))


@pytest.mark.parametrize(
    ("recipe", "settings", "rows"),
    [
        ("few-labels", {}, 3),
        ("few-labels", {"views": "natural"}, 3),
        ("supervised", {"of": "few-labels"}, 3),
        ("ssgan", {}, 2),
        ("ssgan", {"shift": 0.0, "rotate": 0.0}, 0),
        ("improved-gan", {}, 0),
    ],
)
@pytest.mark.parametrize("count", [5, 20])
def test_images_stand_above_their_views(recipe, settings, rows, count):
    images = tf.constant(np.random.default_rng(0).integers(0, 256, [count, 12, 12, 3], np.uint8))
    picture = views_picture(build(recipe, (12, 12, 3), **settings), images, 3)
    if not rows:
        assert picture is None
        return
    columns = min(count, SHOWN)
    side = (len(picture) + 1) // rows - 1
    assert picture.dtype == np.uint8 and picture.shape == (rows * (side + 1) - 1, columns * (side + 1) - 1, 3)
    cells = np.pad(picture, [(0, 1), (0, 1), (0, 0)]).reshape(rows, side + 1, columns, side + 1, 3)
    cells = cells.transpose(0, 2, 1, 3, 4)[:, :, :side, :side]
    if side == 12:
        np.testing.assert_array_equal(cells[0], images[:columns])
    # every view is another picture of its own image
    assert all((cells[0] != row).any(axis=(1, 2, 3)).all() for row in cells[1:])


def test_no_view_leaves_images_as_they_are():
    images = tf.constant(np.random.default_rng(0).integers(0, 256, [4, 8, 8, 1], np.uint8))
    picture = views_picture(build("few-labels", (8, 8, 1), views="none"), images, 3)
    rows = [picture[row * 9 : row * 9 + 8] for row in range(3)]
    assert all((row == rows[0]).all() for row in rows)
