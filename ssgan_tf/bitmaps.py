"""BMP files that TensorFlow's decoder misreads, told by their header, in the graph.

The decoder takes palette indices for grey levels and looks at neither compression nor colour masks. A
served model would answer such a picture with confidence, and wrongly.
"""

from __future__ import annotations

import tensorflow as tf

REFUSED = "a BMP with palette, compression or unusual layout; store it as PNG"
HEADER = 54
BITS_AT, COMPRESSION_AT, HEADER_SIZE_AT = 28, 30, 14
MASKED = 3
# 256 levels of blue, green, red and a byte that some writers leave 0 and others fill
GREY_PALETTES = [
    b"".join(bytes([i, i, i, last(i)]) for i in range(256)) for last in (lambda i: 0, lambda i: i)
]
BGRX_MASKS = b"\x00\x00\xff\x00\x00\xff\x00\x00\xff\x00\x00\x00"


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
        tf.strings.length(encoded) >= HEADER, tf.strings.substr(encoded, 0, 2) == tf.constant("BM")
    )
    return tf.cond(is_bitmap, lambda: _usual(encoded), lambda: tf.constant(True))


def _usual(encoded: tf.Tensor) -> tf.Tensor:
    def number(at: int, size: int, dtype: tf.DType) -> tf.Tensor:
        return tf.cast(tf.io.decode_raw(tf.strings.substr(encoded, at, size), dtype)[0], tf.int32)

    bits = number(BITS_AT, 2, tf.uint16)
    compression = number(COMPRESSION_AT, 4, tf.int32)
    plain = tf.equal(compression, 0)

    def grey() -> tf.Tensor:
        palette_at = HEADER_SIZE_AT + number(HEADER_SIZE_AT, 4, tf.int32)
        palette = tf.strings.substr(encoded, palette_at, len(GREY_PALETTES[0]))
        return tf.logical_and(plain, tf.reduce_any(palette == tf.constant(GREY_PALETTES)))

    def colour() -> tf.Tensor:
        masks = tf.strings.substr(encoded, HEADER, len(BGRX_MASKS))
        masked = tf.logical_and(tf.equal(compression, MASKED), masks == tf.constant(BGRX_MASKS))
        return tf.logical_or(tf.logical_and(bits >= 24, plain), tf.logical_and(tf.equal(bits, 32), masked))

    return tf.cond(tf.equal(bits, 8), grey, colour)
