"""The gate before TensorFlow's decoders, in the graph: which files they are trusted with.

They are not safe with hostile files. An animated WebP corrupts the heap, a GIF is unpacked frame by frame
onto a canvas of the largest, a JPEG costs time for each of its scans, and any header may claim gigabytes.
So PNG, JPEG and BMP are admitted, by their signature, within limits; everything else is refused.
"""

from __future__ import annotations

import tensorflow as tf

from ssgan_tf import bitmaps, image_files

NOT_ADMITTED = "not a PNG, JPEG or BMP image"
TOO_LARGE = f"an image of more than {image_files.MAX_PIXELS} pixels"
TOO_MANY_SCANS = "a JPEG with more scans than can be read; store it as PNG"


def is_png(encoded: tf.Tensor) -> tf.Tensor:
    """Whether a scalar string begins as PNG files do."""
    return _begins(encoded, image_files.PNG_SIGNATURE)


def _begins(encoded: tf.Tensor, signature: bytes) -> tf.Tensor:
    return tf.strings.substr(encoded, 0, len(signature)) == tf.constant(signature)


def png_fits(encoded: tf.Tensor) -> tf.Tensor:
    """Checks a file that begins as PNG files do.

    Returns:
        Scalar true, which may be waited for.

    Raises:
        tf.errors.InvalidArgumentError: more than `image_files.MAX_PIXELS` pixels, or cut off.
    """
    field = tf.strings.substr(encoded, image_files.PNG_SIZE_AT, 8)
    return _fits(_product(tf.io.decode_raw(field, tf.int32, little_endian=False)))


def other_fits(encoded: tf.Tensor) -> tf.Tensor:
    """Checks a file that is no PNG.

    Returns:
        Scalar true, which may be waited for.

    Raises:
        tf.errors.InvalidArgumentError: neither JPEG nor BMP, a BMP that would be misread, more than
            `image_files.MAX_PIXELS` pixels, more scans than allowed, or a header that is cut off.
    """
    return tf.cond(
        _begins(encoded, image_files.JPEG_SIGNATURE), lambda: _jpeg_fits(encoded), lambda: _bmp_fits(encoded)
    )


def _fits(pixels: tf.Tensor) -> tf.Tensor:
    return _checked(pixels <= image_files.MAX_PIXELS, TOO_LARGE)


def _jpeg_fits(encoded: tf.Tensor) -> tf.Tensor:
    pixels = _product(tf.io.extract_jpeg_shape(encoded)[:2])
    scans = tf.raw_ops.StringSplitV2(
        input=encoded[tf.newaxis], sep=tf.constant(image_files.SCAN), maxsplit=image_files.MAX_SCANS + 1
    ).values
    count = tf.size(scans, tf.int64) - 1
    few = tf.logical_and(count <= image_files.MAX_SCANS, count * pixels <= image_files.MAX_SCANNED_PIXELS)
    with tf.control_dependencies([_fits(pixels)]):
        return _checked(few, TOO_MANY_SCANS)


def _bmp_fits(encoded: tf.Tensor) -> tf.Tensor:
    with tf.control_dependencies([_checked(_begins(encoded, image_files.BMP_SIGNATURE), NOT_ADMITTED)]):
        field = tf.strings.substr(encoded, image_files.BMP_SIZE_AT, 8)
    # a negative height says that the rows go from top to bottom
    pixels = _product(tf.io.decode_raw(field, tf.int32))
    with tf.control_dependencies([_fits(pixels)]):
        return _checked(bitmaps.is_read_rightly(encoded), bitmaps.REFUSED)


def _product(sizes: tf.Tensor) -> tf.Tensor:
    return tf.reduce_prod(tf.abs(tf.cast(sizes, tf.int64)))


def _checked(holds: tf.Tensor, text: str) -> tf.Tensor:
    # the operation itself: `tf.debugging.Assert` would put a branch around it
    with tf.control_dependencies([tf.raw_ops.Assert(condition=holds, data=[tf.constant(text)])]):
        return tf.identity(holds)
