"""Pixels in: decode, channels, resize and scale. Training data and served requests share this code.

Two forms of an image exist: the *record image*, uint8 [H, W, C] at the data set's size, which is what
the TFRecords hold; and the *network input*, float in the range that a recipe wants.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from ssgan_tf import admission, exif, image_files
from ssgan_tf.framing import FILL, FIT, STRETCH, WHITE, Framing, centre, inner
from ssgan_tf.triangle_filter import resize_weights

MAX_PIXELS = image_files.MAX_PIXELS
STRETCHED = Framing(STRETCH)


def decode(encoded: tf.Tensor, channels: int, background: int = WHITE, *, guarded: bool = False) -> tf.Tensor:
    """Decodes PNG, JPEG or BMP to the picture that a person sees.

    Transparent pixels show the background, pictures stand upright as their Exif orientation says, and 16
    bits a channel are scaled by as many of them as the picture uses.

    Args:
        encoded: scalar string, the file's bytes.
        channels: 1 (grey) or 3 (RGB).
        background: level 0..255 behind transparent pixels.
        guarded: the bytes are a stranger's: what the decoders are not trusted with is refused.

    Returns:
        uint8 [h, w, channels].

    Raises:
        tf.errors.InvalidArgumentError: the bytes are no image of these formats, damaged, or not admitted
            (see `ssgan_tf.admission`).
    """

    def png() -> tf.Tensor:
        with tf.control_dependencies([admission.png_fits(encoded)] if guarded else []):
            image = _any_png(tf.identity(encoded), background)
        return image if channels == 3 else tf.image.rgb_to_grayscale(image)

    def others() -> tf.Tensor:
        with tf.control_dependencies([admission.other_fits(encoded)] if guarded else []):
            checked = tf.identity(encoded)
        image = tf.io.decode_image(checked, channels=0, expand_animations=False)
        image.set_shape([None, None, None])
        return to_channels(image, channels)

    is_png = admission.is_png(encoded)
    mark = tf.where(is_png, image_files.EXIF_MARK["PNG"], image_files.EXIF_MARK["JPEG"])
    return exif.upright_by_file(tf.cond(is_png, png, others), encoded, mark)


def _any_png(encoded: tf.Tensor, background: int) -> tf.Tensor:
    kind = tf.io.decode_raw(tf.strings.substr(encoded, image_files.PNG_DEPTH_AT, 2), tf.uint8)
    special = tf.logical_or(kind[0] == 16, _is_transparent(encoded, kind[1]))
    return tf.cond(
        special,
        lambda: tf.cond(
            kind[0] == 16,
            lambda: png_picture(encoded, background, deep=True),
            lambda: png_picture(encoded, background, deep=False),
        ),
        lambda: tf.io.decode_png(encoded, channels=3),
    )


def _is_transparent(encoded: tf.Tensor, kind: tf.Tensor) -> tf.Tensor:
    def before(text: tf.Tensor, mark: bytes) -> tf.Tensor:
        return tf.raw_ops.StringSplitV2(input=text[tf.newaxis], sep=tf.constant(mark), maxsplit=1).values

    # asked for alpha, the decoder fills 1 instead of 255 into opaque pictures of few colours
    chunks = before(before(encoded, image_files.PNG_DATA)[0], image_files.PNG_TRANSPARENCY)
    return tf.logical_or(tf.bitwise.bitwise_and(kind, image_files.PNG_ALPHA) > 0, tf.size(chunks) > 1)


def png_picture(encoded: tf.Tensor, background: int, *, deep: bool) -> tf.Tensor:
    """Decodes a PNG with transparency or 16 bits a channel, and composes it over the background.

    Args:
        encoded: scalar string; of few colours only if it is transparent.
        background: level 0..255.
        deep: the file has 16 bits a channel.

    Returns:
        uint8 RGB [h, w, 3]; of a grey file three equal channels.
    """
    if not deep:
        return compose(tf.io.decode_png(encoded, channels=4), background)
    image = tf.cast(tf.io.decode_png(encoded, channels=4, dtype=tf.uint16), tf.float32)
    colours, alpha = image[..., :3], image[..., 3:]
    # cameras keep 10, 12 or 14 bits in such files: the largest value of as many bits becomes white
    ranges = tf.constant(image_files.DEEP_RANGES, tf.float32)
    colours *= 255.0 / tf.reduce_min(tf.where(ranges >= tf.reduce_max(colours), ranges, ranges[-1]))
    image = tf.concat([colours, alpha * (255.0 / 65535.0)], -1)
    return compose(tf.cast(image + 0.5, tf.uint8), background)


def compose(image: tf.Tensor, background: int) -> tf.Tensor:
    """Lays uint8 [..., c] with alpha as its last channel (c of 2 or 4) over a level 0..255; rounded.

    Returns:
        uint8 [..., c - 1].
    """
    colours, alpha = image[..., :-1], image[..., -1:]

    def laid() -> tf.Tensor:
        front, share = tf.cast(colours, tf.uint16), tf.cast(alpha, tf.uint16)
        mixed = front * share + tf.constant(background, tf.uint16) * (255 - share) + 128
        # division by 255, rounded, exact for these numbers
        return tf.cast(tf.bitwise.right_shift(mixed + tf.bitwise.right_shift(mixed, 8), 8), tf.uint8)

    return tf.cond(tf.reduce_all(alpha == 255), lambda: colours, laid)


def to_channels(image: tf.Tensor, channels: int) -> tf.Tensor:
    """Converts uint8 [..., h, w, c] between grey and RGB; alpha (c of 2 or 4) is dropped.

    Grey from RGB is ITU-R BT.601 luma as in `tf.image.rgb_to_grayscale`.
    """

    def from_colour() -> tf.Tensor:
        return image[..., :3] if channels == 3 else tf.image.rgb_to_grayscale(image[..., :3])

    def from_grey() -> tf.Tensor:
        return image[..., :1] if channels == 1 else tf.repeat(image[..., :1], 3, axis=-1)

    if image.shape[-1] is not None:
        return from_colour() if image.shape[-1] >= 3 else from_grey()
    return tf.cond(tf.shape(image)[-1] >= 3, from_colour, from_grey)


def to_size(image: tf.Tensor, height: int, width: int, framing: Framing = STRETCHED) -> tf.Tensor:
    """Brings uint8 or float [..., h, w, C] in 0..255 to the record size, antialiased, as uint8.

    An image that has the size already passes unchanged.

    Args:
        image: of any size.
        height, width: of the record.
        framing: what becomes of other proportions, see `ssgan_tf.framing`.
    """
    target = height, width
    if framing.resize == FILL:
        whole_rows, whole_columns = _size(image)
        rows, columns = centre((whole_rows, whole_columns), target, **_choices(image))
        top, left = (whole_rows - rows) // 2, (whole_columns - columns) // 2
        image = image[..., top : top + rows, left : left + columns, :]
    size = inner(_size(image), target, **_choices(image)) if framing.resize == FIT else target

    def resized() -> tf.Tensor:
        sides = tf.stack([tf.cast(side, tf.int32) for side in size])
        smooth = tf.image.resize(tf.cast(image, tf.float32), sides, antialias=True)
        return tf.cast(tf.clip_by_value(tf.round(smooth), 0.0, 255.0), tf.uint8)

    def unchanged() -> tf.Tensor:
        if image.dtype == tf.uint8:
            return image
        return tf.cast(tf.clip_by_value(tf.round(image), 0.0, 255.0), tf.uint8)

    if _is_known(image):
        out = unchanged() if _size(image) == size else resized()
    else:
        same = [tf.equal(tf.cast(a, tf.int64), b) for a, b in zip(_size(image), size, strict=True)]
        out = tf.cond(tf.reduce_all(same), unchanged, resized)
    if framing.resize == FIT:
        out = _surrounded(out, target, framing.background)
    out.set_shape([*image.shape[:-3], height, width, image.shape[-1]])
    return out


def _is_known(image: tf.Tensor) -> bool:
    return image.shape[-3:-1].is_fully_defined()


def _size(image: tf.Tensor) -> tuple[Any, Any]:
    """Height and width: whole numbers where they are known, else int64 tensors."""
    shape = image.shape if _is_known(image) else tf.shape(image, tf.int64)
    return shape[-3], shape[-2]


def _choices(image: tf.Tensor) -> dict[str, Any]:
    known = _is_known(image)
    return {"least": min if known else tf.minimum, "most": max if known else tf.maximum}


def _surrounded(image: tf.Tensor, target: tuple[int, int], background: int) -> tf.Tensor:
    missing = [total - tf.cast(side, tf.int32) for total, side in zip(target, _size(image), strict=True)]
    around = [[short // 2, short - short // 2] for short in missing]
    paddings = [[0, 0]] * (image.shape.rank - 3) + around + [[0, 0]]
    return tf.pad(image, paddings, constant_values=tf.constant(background, tf.uint8))


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
