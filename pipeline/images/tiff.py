"""The directory of a TIFF file, and which of the many kinds are read.

Source: TIFF 6.0 (Adobe, 1992), section 2 and part 2.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from pipeline.images.formats import RAW, advice
from pipeline.images.rejected import DAMAGED, Rejected

_KIND, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES, _FORMAT = (
    254,
    256,
    257,
    258,
    259,
    262,
    277,
    339,
)
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_COMPRESSIONS = {1: "none", 5: "LZW", 8: "deflate", 32946: "deflate", 32773: "PackBits"}
# white is zero, black is zero, RGB, palette, CMYK
_PHOTOMETRICS = (0, 1, 2, 3, 5)
_MAX_ENTRIES, _MAX_VALUES = 512, 65536


class Directory(NamedTuple):
    """Width and height in pixels, and whether the file is grey with 16 bits a pixel."""

    width: int
    height: int
    deep: bool


def read_directory(encoded: bytes) -> Directory:
    """Reads the only directory of a TIFF file, without following what it points to but the bit depths.

    Raises:
        Rejected: several pages, a compression or pixel layout that is not read, or a damaged file.
    """
    order = "<" if encoded[:1] == b"I" else ">"
    values: dict[int, tuple[int, ...]] = {}
    try:
        (at,) = struct.unpack_from(f"{order}I", encoded, 4)
        (count,) = struct.unpack_from(f"{order}H", encoded, at)
        if count > _MAX_ENTRIES:
            raise Rejected(DAMAGED)
        behind = 0
        for entry in range(at + 2, at + 2 + 12 * count, 12):
            tag, kind, length = struct.unpack_from(f"{order}HHI", encoded, entry)
            behind += length * _SIZES.get(kind, 1)
            if kind in (3, 4) and length <= _MAX_VALUES:
                letter = "H" if kind == 3 else "I"
                inline = length * _SIZES[kind] <= 4
                (place,) = (entry + 8,) if inline else struct.unpack_from(f"{order}I", encoded, entry + 8)
                if inline or tag in (_BITS, _FORMAT):
                    values[tag] = struct.unpack_from(f"{order}{length}{letter}", encoded, place)
            elif kind in (3, 4):
                raise Rejected(f"a TIFF of more than {_MAX_VALUES} strips or tiles; store it as PNG")
        (following,) = struct.unpack_from(f"{order}I", encoded, at + 2 + 12 * count)
        width, height = values[_WIDTH][0], values[_HEIGHT][0]
    except (struct.error, IndexError, KeyError, OverflowError):
        raise Rejected(DAMAGED) from None
    # entries may all point to the same bytes, which a reader would copy for each
    if behind > len(encoded) + 4 * count:
        raise Rejected(DAMAGED)
    if (values.get(_KIND) or (0,))[0] & 1:
        raise Rejected(f"a reduced picture ahead of others, as in camera RAW files: {advice(RAW)}")
    if following:
        raise Rejected("a TIFF of several pages; store each as a file of its own")
    return Directory(width, height, _is_deep(values))


def _is_deep(values: dict[int, tuple[int, ...]]) -> bool:
    def first(tag: int, default: int) -> int:
        return (values.get(tag) or (default,))[0]

    if (compression := first(_COMPRESSION, 1)) not in _COMPRESSIONS:
        raise Rejected(f"a TIFF with compression {compression}; store it without, with LZW, or as PNG")
    bits, forms = set(values.get(_BITS) or (1,)), set(values.get(_FORMAT) or (1,))
    photometric = first(_PHOTOMETRIC, 1)
    deep = bits == {16} and first(_SAMPLES, 1) == 1 and photometric == 1
    if forms != {1} or photometric not in _PHOTOMETRICS or (max(bits) > 8 and not deep):
        raise Rejected(
            "a TIFF of another layout than 1 to 8 bits of grey or colour, or 16 bits of grey; store it as PNG"
        )
    return deep
