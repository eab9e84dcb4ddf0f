"""Random views of images, in the graph, as a function of seed, step and position in the batch."""

from __future__ import annotations

import math

import tensorflow as tf

from ssgan_tf.step_context import StepContext


def random_view(
    images: tf.Tensor, step: StepContext, *, shift: float = 0.0, rotate: float = 0.0, zoom: float = 0.0
) -> tf.Tensor:
    """Shifts, rotates and zooms every image by its own random amounts, bilinearly.

    Args:
        images: float [B, H, W, C]; the border's own values fill what comes in from outside.
        step: gives the random numbers.
        shift: largest shift along each axis, as a share of the side, from 0.
        rotate: largest rotation, in degrees, from 0.
        zoom: largest change of scale, as a share, in [0, 1).

    Returns:
        The views, of the images' shape; the images themselves where all amounts are 0.
    """
    if not (shift or rotate or zoom):
        return images
    batch, height, width, _ = images.shape
    amounts = step.uniform([batch, 4], -1.0, 1.0)
    angle = amounts[:, 0] * (rotate * math.pi / 180.0)
    scale = 1.0 + amounts[:, 1] * zoom
    cos, sin = tf.cos(angle) * scale, tf.sin(angle) * scale
    # the transform maps output to input coordinates, about the image's centre
    centre_x, centre_y = (width - 1) / 2.0, (height - 1) / 2.0
    shift_x = amounts[:, 2] * (shift * width) + centre_x - cos * centre_x + sin * centre_y
    shift_y = amounts[:, 3] * (shift * height) + centre_y - sin * centre_x - cos * centre_y
    zeros = tf.zeros([batch])
    transforms = tf.stack([cos, -sin, shift_x, sin, cos, shift_y, zeros, zeros], axis=1)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=transforms,
        output_shape=[height, width],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )
