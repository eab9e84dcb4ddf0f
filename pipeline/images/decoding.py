"""Images of a source into pixels: the header is checked before anything is unpacked."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
import tensorflow as tf

from ssgan_tf import bitmaps, pixels

FORMATS = ("PNG", "JPEG", "BMP", "GIF")
# what TensorFlow reads rightly: it takes the palette indices of a BMP for grey levels
_BMP_LAYOUTS = ("L", "BGR", "BGRX", "BGRA")


class Rejected(Exception):
    """An image that cannot be used; its text is the reason, without paths or times."""


def check_header(encoded: bytes) -> None:
    """Looks at format and size, without decoding, so that a small file cannot unpack to a huge image.

    Raises:
        Rejected: not one of PNG, JPEG, BMP and GIF, too large, or of a kind that would be misread.
    """
    from PIL import Image, UnidentifiedImageError

    if not encoded:
        raise Rejected("the file is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(encoded), formats=FORMATS) as image:
                count = image.width * image.height
                if count > pixels.MAX_PIXELS:
                    raise Rejected(_too_large(image.width, image.height))
                if image.format == "GIF":
                    # all frames are unpacked to get at the first
                    frames = getattr(image, "n_frames", 1)
                    if count * frames > pixels.MAX_PIXELS:
                        raise Rejected(f"{frames} frames of {_too_large(image.width, image.height)}")
                if image.format == "BMP" and (image.mode == "P" or _layout(image) not in _BMP_LAYOUTS):
                    raise Rejected(bitmaps.REFUSED)
    except Image.DecompressionBombError:
        raise Rejected("more pixels than can be read") from None
    except UnidentifiedImageError:
        raise Rejected("not a PNG, JPEG, BMP or GIF image") from None
    except (OSError, ValueError, SyntaxError, EOFError, OverflowError, IndexError, TypeError):
        raise Rejected("its header is damaged") from None


def _layout(image: Any) -> str:
    # Pillow's description of the pixel data: how it is packed, where it begins, and its layout
    packing, *_, detail = image.tile[0]
    return (detail[0] if isinstance(detail, tuple) else detail) if packing == "raw" else packing


def _too_large(width: int, height: int) -> str:
    return f"{width} x {height} pixels, more than the {pixels.MAX_PIXELS} that can be read"


def decode(encoded: bytes, channels: int = 0) -> np.ndarray:
    """Decodes a file's bytes after checking its header.

    Args:
        encoded: PNG, JPEG, BMP or GIF (its first frame).
        channels: 1 or 3; 0 leaves them as stored.

    Returns:
        uint8 [h, w, c].

    Raises:
        Rejected: the bytes cannot be decoded.
    """
    check_header(encoded)
    try:
        if channels:
            return pixels.decode(tf.constant(encoded), channels).numpy()
        return tf.io.decode_image(encoded, channels=0, expand_animations=False).numpy()
    except (tf.errors.InvalidArgumentError, tf.errors.ResourceExhaustedError):
        # TensorFlow's own text names operations of the graph, which say nothing to a user
        raise Rejected("the image data is damaged or cut off") from None


def record_images(images: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Brings images to the record's channels and size, by the code that the served graph uses.

    Args:
        images: uint8 [N, h, w, c].
        shape: (H, W, C) of the records.

    Returns:
        uint8 [N, H, W, C].
    """
    height, width, channels = shape
    if images.shape[1:] == shape:
        return images
    return pixels.fit(pixels.to_channels(tf.constant(images), channels), height, width).numpy()


def encode(images: np.ndarray) -> list[bytes]:
    """Encodes uint8 [N, H, W, C] as N PNG files."""
    return list(tf.io.encode_png(images).numpy())
