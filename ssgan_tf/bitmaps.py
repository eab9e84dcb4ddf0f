"""BMP files that TensorFlow's decoder misreads, told by their header, in the graph.

The decoder takes palette indices for grey levels and looks at neither compression nor colour masks. A
served model would answer such a picture with confidence, and wrongly.
"""

from __future__ import annotations

import tensorflow as tf

from ssgan_tf import image_files

REFUSED = image_files.BMP_REFUSED


def is_read_rightly(encoded: tf.Tensor) -> tf.Tensor:
    """Whether a file is no BMP, or a BMP that `tf.io.decode_image` reads rightly.

    Args:
        encoded: scalar string, the file's bytes. A damaged file may count as either: the decoder sees it.

    Returns:
        Scalar bool: true for 24 and 32 bits a pixel in the usual order, and for 8 bits of grey.

    Raises:
        tf.errors.InvalidArgumentError: a header that points behind the file's end.
    """
    is_bitmap = tf.logical_and(
        tf.strings.length(encoded) >= image_files.BMP_HEADER,
        tf.strings.substr(encoded, 0, 2) == tf.constant(image_files.BMP_SIGNATURE),
    )
    return tf.cond(is_bitmap, lambda: _usual(encoded), lambda: tf.constant(True))


def _usual(encoded: tf.Tensor) -> tf.Tensor:
    def number(at: int, size: int, dtype: tf.DType) -> tf.Tensor:
        return tf.cast(tf.io.decode_raw(tf.strings.substr(encoded, at, size), dtype)[0], tf.int32)

    bits = number(image_files.BMP_BITS_AT, 2, tf.uint16)
    compression = number(image_files.BMP_COMPRESSION_AT, 4, tf.int32)
    plain = tf.equal(compression, 0)

    def grey() -> tf.Tensor:
        at = image_files.BMP_HEADER_SIZE_AT
        palettes = image_files.BMP_GREY_PALETTES
        palette = tf.strings.substr(encoded, at + number(at, 4, tf.int32), len(palettes[0]))
        return tf.logical_and(plain, tf.reduce_any(palette == tf.constant(palettes)))

    def colour() -> tf.Tensor:
        usual = image_files.BMP_BGRX_MASKS
        masks = tf.strings.substr(encoded, image_files.BMP_HEADER, len(usual))
        masked = tf.logical_and(tf.equal(compression, image_files.BMP_MASKED), masks == tf.constant(usual))
        return tf.logical_or(tf.logical_and(bits >= 24, plain), tf.logical_and(tf.equal(bits, 32), masked))

    return tf.cond(tf.equal(bits, 8), grey, colour)
