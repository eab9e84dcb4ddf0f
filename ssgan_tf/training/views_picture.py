"""What a recipe makes of its training images, as one picture: some images, and below them their views."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from ssgan_tf import plots
from ssgan_tf.step_context import StepContext
from ssgan_tf.systems.recipe import System

SHOWN = 12


def views_picture(system: System, images: tf.Tensor, seed: int) -> np.ndarray | None:
    """The first images of training in a row, and a row for each kind of views of them.

    Args:
        system: that would be trained.
        images: record images uint8 [N, H, W, C].
        seed: of the views.

    Returns:
        uint8 [H', W', C]; None where the images are trained on as they are.
    """
    images = images[:SHOWN]
    step = StepContext(seed, tf.constant(0, tf.int64))
    with step.entered():
        views = list(system.random_views(images, step).values())
    if not views:
        return None
    first = tf.image.resize(images, views[0].shape[1:3], "nearest")
    return plots.grid(tf.concat([first, *views], 0).numpy(), len(images))
