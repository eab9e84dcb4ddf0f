"""Encoded images in requests: measured before they wait, made decodable before they are computed.

Which files are admitted, `pipeline.images` says. String inputs that are no image pass: the model's own
graph answers for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from pipeline.images.conversion import as_decodable
from pipeline.images.formats import format_of
from pipeline.images.headers import Header, read_header
from pipeline.images.rejected import Rejected
from pipeline.serving.status import invalid

_UNKNOWN_PIXELS = 1
# what formats that are converted begin with, for a quick look into serialised examples
_CONVERTED = (b"GIF8", b"WEBP", b"II*\0", b"MM\0*", b"ftyp")


def pixels(encoded: bytes, limit: int) -> int:
    """Returns the number of pixels that an image's header claims; 1 for bytes that are no image.

    Args:
        encoded: the file's bytes.
        limit: the most pixels allowed.

    Raises:
        ServingError: INVALID_ARGUMENT, an image that is not admitted, or larger than `limit`.
    """
    if not format_of(encoded):
        return _UNKNOWN_PIXELS
    return _header(encoded, limit).pixels


def _header(encoded: bytes, limit: int) -> Header:
    try:
        return read_header(encoded, limit)
    except Rejected as reason:
        raise invalid(str(reason)) from None


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
            inside = _parsed(value)
            total += sum(pixels(inner, limit) for values in _lists(inside) for inner in values)
            if total > limit:
                raise invalid(f"The example's images have {total} pixels, more than the {limit} allowed.")
        found.append(total)
    return found


def decodable(values: np.ndarray, in_examples: bool) -> np.ndarray:
    """Turns GIF, WebP, TIFF, HEIC and AVIF images among string inputs into PNG.

    Args:
        values: object array of bytes that `costs` let pass.
        in_examples: also those in serialised examples.

    Returns:
        The array itself where there is none of them, else a new one.

    Raises:
        ServingError: INVALID_ARGUMENT, an image is damaged.
    """
    flat = values.ravel()
    changed = {
        place: _in_example(value) if in_examples else _plain(value)
        for place, value in enumerate(flat)
        if (any(mark in value for mark in _CONVERTED) if in_examples else _is_converted(value))
    }
    if not changed:
        return values
    flat = flat.copy()
    for place, value in changed.items():
        flat[place] = value
    return flat.reshape(values.shape)


def _is_converted(value: bytes) -> bool:
    return value.startswith(_CONVERTED) or value[8:12] == b"WEBP" or value[4:8] == b"ftyp"


def _plain(encoded: bytes) -> bytes:
    if not format_of(encoded):
        return encoded
    try:
        return as_decodable(encoded, read_header(encoded))
    except Rejected as reason:
        raise invalid(str(reason)) from None


def _in_example(serialized: bytes) -> bytes:
    example = _parsed(serialized)
    for values in _lists(example):
        values[:] = [_plain(value) for value in values]
    return example.SerializeToString()


def _parsed(serialized: bytes) -> Any:
    example = tf.train.Example()
    try:
        example.ParseFromString(serialized)
    except Exception:
        # not an example: the graph's own parser says so
        return tf.train.Example()
    return example


def _lists(example: Any) -> Iterator[Any]:
    for feature in example.features.feature.values():
        yield feature.bytes_list.value
