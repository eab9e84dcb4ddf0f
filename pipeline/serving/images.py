"""How large is an encoded image? Read from its header, before anything is decoded.

A few hundred bytes of PNG can claim 4 gigapixels. `ssgan_tf.pixels` decodes inside the graph, where
nothing would stop it, so every image is measured here first.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable, Iterator

import tensorflow as tf
from PIL import Image, UnidentifiedImageError

from pipeline.serving.status import invalid

_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP")
_MAGIC = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"RIFF")
# TensorFlow decodes it, Pillow cannot measure it
_JPEG_XL = (b"\xff\x0a", b"\x00\x00\x00\x0cJXL ")
_UNKNOWN_PIXELS = 1


def pixels(encoded: bytes, limit: int) -> int:
    """Returns the number of pixels that an image's header claims.

    Bytes that are no image count 1: the decoder refuses them, at no cost.

    Args:
        encoded: the file's bytes.
        limit: the most pixels allowed.

    Raises:
        ServingError: INVALID_ARGUMENT, more than `limit`, or a header that cannot be read.
    """
    if encoded.startswith(_JPEG_XL):
        raise invalid("JPEG XL images are not taken. Send PNG, JPEG, BMP or GIF.")
    if not encoded.startswith(_MAGIC):
        return _UNKNOWN_PIXELS
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(encoded), formats=_FORMATS) as image:
                width, height = image.size
    except Image.DecompressionBombError:
        raise invalid(f"The image has more pixels than the {limit} allowed.") from None
    except UnidentifiedImageError:
        raise invalid("The image's header cannot be read: it is damaged, cut off, or no image.") from None
    except Exception as error:
        # Pillow's parsers raise many kinds on broken headers
        raise invalid(f"The image's header cannot be read: {str(error)[:200]}.") from None
    if width * height > limit:
        raise invalid(
            f"The image has {width}x{height} pixels, more than the {limit} allowed. Send a smaller one."
        )
    return width * height


def costs(values: Iterable[bytes], limit: int, in_examples: bool) -> list[int]:
    """Returns the pixels of each string input, all of an example's images together.

    Args:
        values: encoded images, or serialised `tf.train.Example` protos holding them.
        limit: the most pixels allowed in one.
        in_examples: also look into serialised examples.

    Raises:
        ServingError: INVALID_ARGUMENT, as `pixels`.
    """
    found = []
    for value in values:
        total = pixels(value, limit)
        if in_examples:
            total += sum(pixels(inner, limit) for inner in _inside(value))
            if total > limit:
                raise invalid(f"The example's images have {total} pixels, more than the {limit} allowed.")
        found.append(total)
    return found


def _inside(serialized: bytes) -> Iterator[bytes]:
    example = tf.train.Example()
    try:
        example.ParseFromString(serialized)
    except Exception:
        # not an example: the graph's own parser says so
        return
    for feature in example.features.feature.values():
        yield from feature.bytes_list.value
