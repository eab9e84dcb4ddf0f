"""Pixels in without TensorFlow, whose import takes longer than a small job: for the LiteRT engine.

The same pictures as `ssgan_tf.pixels` gives: equal for PNG, BMP and GIF at the records' size, within a
few of 255 levels for JPEG (another inverse cosine transform) and one level where an image is resized.
"""

from __future__ import annotations

import io
import warnings

import numpy as np

from ssgan_tf.triangle_filter import resize_weights

FORMATS = ("PNG", "JPEG", "BMP", "GIF")
MAX_PIXELS = 64 * 1024 * 1024
# ITU-R BT.601, as tf.image.rgb_to_grayscale
_LUMA = np.array([0.2989, 0.5870, 0.1140], np.float32)


class NotAnImage(Exception):
    """Bytes that cannot be decoded; the text says why."""


def record_image(encoded: bytes, shape: tuple[int, int, int]) -> np.ndarray:
    """Decodes PNG, JPEG, BMP or a GIF's first frame to a record image uint8 [H, W, C].

    Raises:
        NotAnImage: the bytes are no such image, damaged, or have too many pixels.
    """
    height, width, channels = shape
    image = _to_channels(_decode(encoded), channels)
    if image.shape[:2] == (height, width):
        return image
    rows, columns = resize_weights(image.shape[0], height), resize_weights(image.shape[1], width)
    smooth = np.einsum("sh,hwc,tw->stc", rows, image.astype(np.float32), columns, optimize=True)
    return np.clip(np.rint(smooth), 0, 255).astype(np.uint8)


def _decode(encoded: bytes) -> np.ndarray:
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(encoded), formats=FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise NotAnImage(f"{image.width} x {image.height} pixels are too many")
                if image.mode.startswith("I"):
                    pixels = (np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8)
                else:
                    grey = image.mode in ("1", "L", "LA")
                    pixels = np.asarray(image.convert("L" if grey else "RGB"))
    except Image.DecompressionBombError:
        raise NotAnImage("more pixels than can be read") from None
    except UnidentifiedImageError:
        raise NotAnImage("not a PNG, JPEG, BMP or GIF image") from None
    except (OSError, ValueError, SyntaxError, EOFError, OverflowError, IndexError, TypeError):
        raise NotAnImage("the image data is damaged or cut off") from None
    return pixels if pixels.ndim == 3 else pixels[..., np.newaxis]


def _to_channels(image: np.ndarray, channels: int) -> np.ndarray:
    if image.shape[2] == channels:
        return image
    if channels == 3:
        return np.repeat(image, 3, axis=2)
    grey = np.tensordot(image.astype(np.float32) * np.float32(1 / 255), _LUMA, 1)
    # TensorFlow's conversion back to uint8 cuts off after adding half a level
    return np.clip(grey * np.float32(255.5), 0, 255).astype(np.uint8)[..., np.newaxis]
