"""Image files into pixels, as the served graph sees them; and records back into files."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from pipeline.images.conversion import DAMAGED, as_decodable
from pipeline.images.exif import orientation, upright
from pipeline.images.headers import read_header
from pipeline.images.rejected import OutOfMemory, Rejected
from ssgan_tf import pixels
from ssgan_tf.framing import Framing


def decode(encoded: bytes, channels: int = 0, background: int = pixels.WHITE) -> np.ndarray:
    """Decodes a file's bytes after looking at its header; the picture of `ssgan_tf.pixels.decode`.

    Args:
        encoded: a file of `pipeline.images.formats` (of a GIF its first frame).
        channels: 1 or 3; 0 leaves grey grey and colour coloured.
        background: level 0..255 behind transparent pixels.

    Returns:
        uint8 [h, w, c].

    Raises:
        Rejected: the bytes cannot be decoded.
        OutOfMemory: the image does not fit into memory.
    """
    header = read_header(encoded)
    try:
        plain = as_decodable(encoded, header)
        if plain is not encoded:
            header = read_header(plain)
        if header.format == "PNG" and (header.alpha or header.deep):
            image = pixels.png_picture(plain, background, deep=header.deep)
            image = image[..., :1] if header.grey else image
        else:
            image = tf.io.decode_image(plain, channels=0, expand_animations=False)
            if header.format == "BMP":
                image = image[..., :3]
        picture = (pixels.to_channels(image, channels) if channels else image).numpy()
    except tf.errors.InvalidArgumentError:
        # TensorFlow's own text names operations of the graph, which say nothing to a user
        raise Rejected(DAMAGED) from None
    except (tf.errors.ResourceExhaustedError, MemoryError):
        raise OutOfMemory(
            f"out of memory: an image of {header.width} x {header.height} pixels does not fit. "
            "Use fewer workers, or a machine with more memory."
        ) from None
    return upright(picture, orientation(plain, header.format))


def record_images(
    images: np.ndarray, shape: tuple[int, int, int], framing: Framing | None = None
) -> np.ndarray:
    """Brings images to the record's channels and size, by the code that the served graph uses.

    Args:
        images: uint8 [N, h, w, c]; with c of 2 or 4 the last channel is alpha.
        shape: (H, W, C) of the records.
        framing: of the data set; None is the default one.

    Returns:
        uint8 [N, H, W, C].
    """
    height, width, channels = shape
    framing = framing or Framing()
    if images.shape[1:] == shape:
        return images
    image = tf.constant(images)
    if images.shape[-1] in (2, 4):
        image = pixels.compose(image, framing.background)
    return pixels.to_size(pixels.to_channels(image, channels), height, width, framing).numpy()


def encode(images: np.ndarray) -> list[bytes]:
    """Encodes uint8 [N, H, W, C] as N PNG files."""
    return list(tf.io.encode_png(images).numpy())
