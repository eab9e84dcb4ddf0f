"""The Exif orientation of image files, read without TensorFlow by the rule of `ssgan_tf.exif`."""

from __future__ import annotations

import struct

import numpy as np

from ssgan_tf.image_files import (
    EXIF_BIG,
    EXIF_BYTES,
    EXIF_LITTLE,
    EXIF_MARK,
    EXIF_PADDING,
    ORIENTATION_TAG,
    SHORT,
)


def orientation(encoded: bytes, form: str) -> int:
    """Reads the orientation from the first Exif block of a file.

    Args:
        encoded: the file's bytes.
        form: "PNG", "JPEG" or another, which has none.

    Returns:
        1 to 8; 1 (as stored) where the file has no such block, or a damaged one.
    """
    mark = EXIF_MARK.get(form)
    at = encoded.find(mark) if mark else -1
    return 1 if mark is None or at < 0 else orientation_in(encoded[at + len(mark) :][:EXIF_BYTES])


def orientation_in(block: bytes) -> int:
    """Reads the orientation, 1 to 8, from an Exif block (a small TIFF file); 1 where it says none."""
    order = {EXIF_LITTLE: "<", EXIF_BIG: ">"}.get(block[:4])
    if order is None:
        return 1
    data = block + bytes(EXIF_PADDING)
    table = min(struct.unpack_from(f"{order}I", data, 4)[0], len(block))
    (count,) = struct.unpack_from(f"{order}H", data, table)
    for at in range(table + 2, min(table + 2 + 12 * count, len(data)) - 11, 12):
        tag, kind, length, value = struct.unpack_from(f"{order}HHIH", data, at)
        if (tag, kind, length) == (ORIENTATION_TAG, SHORT, 1):
            return value if 1 <= value <= 8 else 1
    return 1


def upright(image: np.ndarray, value: int) -> np.ndarray:
    """Turns and mirrors an image [h, w, C] as its orientation (1 to 8) says."""
    if value >= 5:
        image = image.swapaxes(0, 1)
    if value in (2, 3, 6, 7):
        image = image[:, ::-1]
    return image[::-1] if value in (3, 4, 7, 8) else image
