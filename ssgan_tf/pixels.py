"""Pixels in: decode, channels, resize and scale. Training data and served requests share this code.

Two forms of an image exist: the *record image*, uint8 [H, W, C] at the data set's size, which is what
the TFRecords hold; and the *network input*, float in the range that a recipe wants.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from ssgan_tf.triangle_filter import resize_weights

MAX_PIXELS = 64 * 1024 * 1024


def decode(encoded: tf.Tensor, channels: int) -> tf.Tensor:
    """Decodes PNG, JPEG, BMP or the first frame of a GIF.

    Args:
        encoded: scalar string, the file's bytes.
        channels: 1 (grey) or 3 (RGB).

    Returns:
        uint8 [h, w, channels].

    Raises:
        tf.errors.InvalidArgumentError: the bytes are no image of these formats.
    """
    image = tf.io.decode_image(encoded, channels=0, expand_animations=False)
    image.set_shape([None, None, None])
    return to_channels(image, channels)


def to_channels(image: tf.Tensor, channels: int) -> tf.Tensor:
    """Converts uint8 [..., h, w, c] between grey and RGB; alpha (c of 2 or 4) is dropped.

    Grey from RGB is ITU-R BT.601 luma as in `tf.image.rgb_to_grayscale`.
    """
    count = tf.shape(image)[-1]
    if channels == 1:
        return tf.cond(
            count >= 3,
            lambda: tf.image.rgb_to_grayscale(image[..., :3]),
            lambda: image[..., :1],
        )
    return tf.cond(
        count >= 3,
        lambda: image[..., :3],
        lambda: tf.repeat(image[..., :1], 3, axis=-1),
    )


def fit(image: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """Resizes uint8 or float [..., h, w, C] in 0..255 to the record size, antialiased, as uint8.

    An image that has the size already passes unchanged.
    """

    def resized() -> tf.Tensor:
        smooth = tf.image.resize(tf.cast(image, tf.float32), [height, width], antialias=True)
        return tf.cast(tf.clip_by_value(tf.round(smooth), 0.0, 255.0), tf.uint8)

    def unchanged() -> tf.Tensor:
        if image.dtype == tf.uint8:
            return image
        return tf.cast(tf.clip_by_value(tf.round(image), 0.0, 255.0), tf.uint8)

    shape = tf.shape(image)
    same = tf.logical_and(shape[-3] == height, shape[-2] == width)
    out = tf.cond(same, unchanged, resized)
    out.set_shape([*image.shape[:-3], height, width, image.shape[-1]])
    return out


def scale(images: tf.Tensor, low: float, high: float, size: int | None = None) -> tf.Tensor:
    """Turns record images into a network's input.

    Args:
        images: uint8 or float [B, H, W, C] in 0..255.
        low: value of a black pixel, high: value of a white one.
        size: side of the network's square input; resized (bilinear, antialiased) where it differs.

    Returns:
        float32 [B, size, size, C] in [low, high].
    """
    images = tf.cast(images, tf.float32)
    if size is not None and (images.shape[1] != size or images.shape[2] != size):
        images = resize_known(images, size, size)
    return images * ((high - low) / 255.0) + low


def resize_known(images: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """Resizes float32 [B, h, w, C] of known h and w as `tf.image.resize(antialias=True)` does.

    Resizing between known sizes is linear: two matrix products do it, to rounding. They are several
    times faster than TensorFlow's own operation, which also runs on the processor only and is missing in
    LiteRT and ONNX.

    Returns:
        float32 [B, height, width, C].
    """
    _, h, w, channels = images.shape
    rows = tf.matmul(resize_weights(h, height), tf.reshape(images, [-1, h, w * channels]))
    # the channels of a pixel stay apart: one product over [w * C] serves all of them
    columns = np.kron(resize_weights(w, width).T, np.eye(channels, dtype=np.float32))
    resized = tf.matmul(tf.reshape(rows, [-1, w * channels]), columns)
    return tf.reshape(resized, [-1, height, width, channels])


def unscale(images: tf.Tensor, low: float, high: float) -> tf.Tensor:
    """Turns a generator's output in [low, high] into uint8 0..255, rounded and clipped."""
    pixels = (tf.cast(images, tf.float32) - low) * (255.0 / (high - low))
    return tf.cast(tf.clip_by_value(tf.round(pixels), 0.0, 255.0), tf.uint8)
