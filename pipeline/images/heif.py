"""What a HEIC or AVIF file claims to hold, read from its boxes before a decoder sees it.

Source: ISO/IEC 14496-12 (boxes), 23008-12 (HEIF: `ispe`, the size of an item), sections 4.2 and 6.5.3.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from pipeline.images.rejected import DAMAGED, Rejected

_MAX_BOXES = 20_000
_SEQUENCES = (b"hevc", b"hevx", b"msf1", b"avis")
# boxes that hold boxes, with the bytes of their own before them
_OUTER = {b"meta": 4, b"iprp": 0, b"ipco": 0}


def largest_picture(encoded: bytes) -> tuple[int, int]:
    """Returns width and height of the largest picture, tile or thumbnail of a file, before it is turned.

    Raises:
        Rejected: a sequence, boxes that cannot be followed, or no picture in them.
        struct.error: cut off.
    """
    if encoded[8:12] in _SEQUENCES:
        raise Rejected("a sequence of pictures; store one of them as PNG")
    sizes = [struct.unpack_from(">II", encoded, at + 4) for at in _size_boxes(encoded)]
    if not sizes:
        raise Rejected(DAMAGED)
    return max(sizes, key=lambda size: size[0] * size[1])


def _size_boxes(encoded: bytes) -> Iterator[int]:
    waiting = [(0, len(encoded))]
    for _ in range(_MAX_BOXES):
        while waiting and waiting[-1][0] + 8 > waiting[-1][1]:
            waiting.pop()
        if not waiting:
            return
        at, end = waiting.pop()
        size, kind = struct.unpack_from(">I4s", encoded, at)
        body = at + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", encoded, body)
            body += 8
        following = at + size if size else end
        if following < body or following > end:
            raise Rejected(DAMAGED)
        waiting.append((following, end))
        if kind in _OUTER:
            waiting.append((body + _OUTER[kind], following))
        elif kind == b"ispe":
            yield body
    raise Rejected(f"a file of more than {_MAX_BOXES} boxes; store it as PNG")
