"""Pixels in without TensorFlow, whose import takes longer than a small job: for the LiteRT engine.

The same pictures as `pipeline.images.decoding` gives: equal at the records' size, but for JPEG within a
few of 255 levels (another inverse cosine transform); one level where an image is resized.
"""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np

from pipeline.images.conversion import DAMAGED, as_decodable
from pipeline.images.exif import orientation, upright
from pipeline.images.headers import Header, read_header
from pipeline.images.rejected import Rejected
from ssgan_tf.framing import FILL, FIT, Framing, centre, inner
from ssgan_tf.image_files import DEEP_RANGES
from ssgan_tf.triangle_filter import resize_weights

# ITU-R BT.601, as tf.image.rgb_to_grayscale
_LUMA = np.array([0.2989, 0.5870, 0.1140], np.float32)


def record_image(encoded: bytes, shape: tuple[int, int, int], framing: Framing | None = None) -> np.ndarray:
    """Decodes a file to a record image uint8 [H, W, C].

    Args:
        encoded: a file of `pipeline.images.formats`, but no PNG of 16 bits a channel in colour.
        shape: (H, W, C) of the record.
        framing: of the data set; None is the default one.

    Raises:
        Rejected: the bytes are no such image, damaged, or have too many pixels.
    """
    framing = framing or Framing()
    header = read_header(encoded)
    encoded = as_decodable(encoded, header)
    image = _to_channels(_decode(encoded, read_header(encoded), framing.background), shape[2])
    return _to_size(image, shape[:2], framing)


def _to_size(image: np.ndarray, target: tuple[int, int], framing: Framing) -> np.ndarray:
    height, width, channels = image.shape
    if framing.resize == FILL:
        rows, columns = centre((height, width), target)
        top, left = (height - rows) // 2, (width - columns) // 2
        image = image[top : top + rows, left : left + columns]
    size = inner((height, width), target) if framing.resize == FIT else target
    if image.shape[:2] != size:
        down, across = (resize_weights(image.shape[axis], size[axis]) for axis in (0, 1))
        smooth = np.einsum("sh,hwc,tw->stc", down, image.astype(np.float32), across, optimize=True)
        image = np.clip(np.rint(smooth), 0, 255).astype(np.uint8)
    if size == target:
        return image
    record = np.full((*target, channels), framing.background, np.uint8)
    top, left = (target[0] - size[0]) // 2, (target[1] - size[1]) // 2
    record[top : top + size[0], left : left + size[1]] = image
    return record


def _decode(encoded: bytes, header: Header, background: int) -> np.ndarray:
    from PIL import Image

    if header.deep and (header.alpha or not header.grey):
        # Pillow keeps the upper eight bits of these
        raise Rejected(
            "a PNG of 16 bits a channel in colour or with transparency: the savedmodel engine reads it"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(encoded), formats=(header.format,)) as image:
                pixels = _scaled(np.asarray(image)) if header.deep else _pixels(image, header, background)
    except MemoryError:
        raise
    except Exception:
        # Pillow's readers raise many kinds on broken files
        raise Rejected(DAMAGED) from None
    pixels = pixels if pixels.ndim == 3 else pixels[..., np.newaxis]
    return upright(pixels, orientation(encoded, header.format))


def _pixels(image: Any, header: Header, background: int) -> np.ndarray:
    if not header.alpha:
        grey = image.mode in ("1", "L", "LA")
        return np.asarray(image.convert("L" if grey else "RGB"))
    layers = np.asarray(image.convert("RGBA")).astype(np.uint16)
    colours, alpha = layers[..., : 1 if header.grey else 3], layers[..., 3:]
    mixed = colours * alpha + np.uint16(background) * (255 - alpha) + 128
    return (mixed + (mixed >> 8) >> 8).astype(np.uint8)


def _scaled(deep: np.ndarray) -> np.ndarray:
    largest = next(value for value in DEEP_RANGES if value >= deep.max())
    return (deep.astype(np.float32) * np.float32(255.0 / largest) + np.float32(0.5)).astype(np.uint8)


def _to_channels(image: np.ndarray, channels: int) -> np.ndarray:
    if image.shape[2] == channels:
        return image
    if channels == 3:
        return np.repeat(image, 3, axis=2)
    grey = np.tensordot(image.astype(np.float32) * np.float32(1 / 255), _LUMA, 1)
    # TensorFlow's conversion back to uint8 cuts off after adding half a level
    return np.clip(grey * np.float32(255.5), 0, 255).astype(np.uint8)[..., np.newaxis]
