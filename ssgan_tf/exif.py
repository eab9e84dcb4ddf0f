"""Which way up is a picture? The Exif orientation of PNG and JPEG files, read and applied in the graph.

Source: JEITA CP-3451 (Exif 2.3), 4.6.4 A, tag Orientation. `pipeline.images.exif` reads it without
TensorFlow, by the same rule.
"""

from __future__ import annotations

import tensorflow as tf

from ssgan_tf import image_files

_LITTLE, _BIG = (list(mark) for mark in (image_files.EXIF_LITTLE, image_files.EXIF_BIG))


def upright_by_file(image: tf.Tensor, encoded: tf.Tensor, mark: tf.Tensor) -> tf.Tensor:
    """Turns and mirrors an image as the first Exif block of its file says.

    Args:
        image: [h, w, C], as stored.
        encoded: scalar string, the file's bytes.
        mark: scalar string, what precedes the block in files of this format.

    Returns:
        [h, w, C] or [w, h, C]; as stored where the file has no such block, or a damaged one.
    """
    parts = tf.raw_ops.StringSplitV2(input=encoded[tf.newaxis], sep=mark, maxsplit=1).values
    return tf.cond(tf.size(parts) > 1, lambda: upright(image, orientation(parts[1])), lambda: image)


def orientation(block: tf.Tensor) -> tf.Tensor:
    """Reads the orientation, scalar int32 from 1 to 8, from an Exif block, scalar string; 1 if damaged."""
    raw = tf.cast(tf.io.decode_raw(tf.strings.substr(block, 0, image_files.EXIF_BYTES), tf.uint8), tf.int64)
    # zeros behind it: fields of a block that is cut off can be read, and say nothing
    data = tf.pad(raw, [[0, image_files.EXIF_PADDING]])
    little = tf.reduce_all(data[:4] == tf.constant(_LITTLE, tf.int64))
    known = tf.logical_or(little, tf.reduce_all(data[:4] == tf.constant(_BIG, tf.int64)))

    def number(field: tf.Tensor, size: int) -> tf.Tensor:
        weights = tf.constant([256**i for i in range(size)], tf.int64)
        return tf.reduce_sum(field * tf.where(little, weights, weights[::-1]), axis=-1)

    size = tf.size(raw, tf.int64)
    table = tf.minimum(number(data[4:8], 4), size)
    count = number(data[table : table + 2], 2)
    entries = data[table + 2 : table + 2 + 12 * count]
    entries = tf.reshape(entries[: tf.size(entries) // 12 * 12], [-1, 12])
    found = tf.logical_and(
        tf.logical_and(number(entries[:, :2], 2) == image_files.ORIENTATION_TAG, known),
        tf.logical_and(number(entries[:, 2:4], 2) == image_files.SHORT, number(entries[:, 4:8], 4) == 1),
    )
    values = tf.boolean_mask(number(entries[:, 8:10], 2), found)
    value = tf.concat([values, tf.constant([1], tf.int64)], 0)[0]
    return tf.cast(tf.where(tf.logical_and(value >= 1, value <= 8), value, 1), tf.int32)


def upright(image: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
    """Turns and mirrors an image [h, w, C] as its orientation (1 to 8) says."""

    def turned() -> tf.Tensor:
        out = tf.cond(value >= 5, lambda: tf.transpose(image, [1, 0, 2]), lambda: image)
        left_right = tf.reduce_any(value == tf.constant([2, 3, 6, 7]))
        up_down = tf.reduce_any(value == tf.constant([3, 4, 7, 8]))
        out = tf.cond(left_right, lambda: tf.reverse(out, [1]), lambda: out)
        return tf.cond(up_down, lambda: tf.reverse(out, [0]), lambda: out)

    return tf.cond(value > 1, turned, lambda: image)
