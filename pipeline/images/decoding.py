"""Image files into pixels, as the served graph sees them; and records back into files."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from pipeline.images.conversion import DAMAGED, as_decodable
from pipeline.images.exif import orientation, upright
from pipeline.images.headers import Header, read_header
from pipeline.images.rejected import OutOfMemory, Rejected
from ssgan_tf import pixels
from ssgan_tf.framing import Framing

MOST_PIXELS = 4 << 20
_PLAIN = ("JPEG", "PNG", "BMP")


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


def decode_block(encoded: Iterable[bytes], background: int = pixels.WHITE) -> Iterator[np.ndarray | Rejected]:
    """Decodes files as `decode` does one by one, most of them several in one call of the graph.

    From Python a call of TensorFlow takes longer than a small picture. The pictures of one call have at most
    `MOST_PIXELS` together, and it is they that are held at a time.

    Args:
        encoded: files.
        background: level 0..255 behind transparent pixels.

    Yields:
        For each the picture, uint8 [h, w, c], or why it cannot be decoded.

    Raises:
        OutOfMemory: an image does not fit into memory.
    """
    part: list[tuple[bytes, Header | Rejected]] = []
    size = 0
    for file in encoded:
        header: Header | Rejected
        try:
            header = read_header(file)
            more = header.pixels
        except Rejected as error:
            header, more = error, 0
        if part and size + more > MOST_PIXELS:
            yield from _decode_part(part, background)
            part, size = [], 0
        part.append((file, header))
        size += more
    yield from _decode_part(part, background)


def _decode_part(
    part: Sequence[tuple[bytes, Header | Rejected]], background: int
) -> list[np.ndarray | Rejected]:
    plain = [
        (at, file, header)
        for at, (file, header) in enumerate(part)
        if isinstance(header, Header) and header.format in _PLAIN and not (header.alpha or header.deep)
    ]
    pictures: dict[int, np.ndarray] = {}
    # what is wrong with one of them is found when each is decoded alone
    with contextlib.suppress(tf.errors.InvalidArgumentError, tf.errors.ResourceExhaustedError, MemoryError):
        if plain:
            values, shapes = (of.numpy() for of in _decoded(tf.constant([file for _, file, _ in plain])))
            ends = np.cumsum(shapes.prod(axis=1, dtype=np.int64)).tolist()
            for (at, file, header), shape, end in zip(plain, shapes.tolist(), ends, strict=True):
                picture = values[end - math.prod(shape) : end].reshape(shape)
                if header.format == "BMP":
                    picture = picture[..., :3]
                pictures[at] = upright(picture, orientation(file, header.format))
    found: list[np.ndarray | Rejected] = []
    for at, (file, said) in enumerate(part):
        if at in pictures:
            found.append(pictures[at])
        elif isinstance(said, Rejected):
            found.append(said)
        else:
            try:
                found.append(decode(file, background=background))
            except Rejected as error:
                found.append(error)
    return found


@tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
def _decoded(files: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The pictures' values one after the other, uint8, and their shapes, int32 [N, 3]."""
    count = tf.shape(files)[0]

    def decode_next(at: tf.Tensor, values: tf.TensorArray, shapes: tf.TensorArray) -> tuple[Any, ...]:
        image = tf.io.decode_image(files[at], channels=0, expand_animations=False)
        return at + 1, values.write(at, tf.reshape(image, [-1])), shapes.write(at, tf.shape(image))

    start = (
        tf.constant(0),
        tf.TensorArray(tf.uint8, count, infer_shape=False, element_shape=[None]),
        tf.TensorArray(tf.int32, count, element_shape=[3]),
    )
    _, values, shapes = tf.while_loop(lambda at, *_: at < count, decode_next, start)
    return values.concat(), shapes.stack()


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
