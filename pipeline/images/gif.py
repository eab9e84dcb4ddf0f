"""The first frame of a GIF, found by walking over its blocks once.

Source: GIF89a specification (CompuServe, 1990), sections 15 to 27.
"""

from __future__ import annotations

import struct

from pipeline.images.rejected import DAMAGED, Rejected

_MAX_BLOCKS = 200_000
_EXTENSION, _CONTROL, _IMAGE = 0x21, 0xF9, 0x2C
_CONTROL_BYTES = 8


def first_frame(encoded: bytes) -> tuple[bytes, int, int]:
    """Cuts away what stands before the first frame, comments above all.

    A decoder that stops after one picture never sees the frames behind it, however many and large.

    Args:
        encoded: bytes that begin as a GIF.

    Returns:
        A GIF that begins with its first frame, and the width and height of the canvas that holds it.

    Raises:
        Rejected: the blocks cannot be followed to a first frame.
    """
    try:
        width, height, flags = struct.unpack_from("<HHB", encoded, 6)
        at = table_end = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
        control = b""
        for _ in range(_MAX_BLOCKS):
            if encoded[at] == _IMAGE:
                left, top, wide, high = struct.unpack_from("<HHHH", encoded, at + 1)
                if not wide or not high:
                    raise Rejected(DAMAGED)
                cut = encoded[:table_end] + control + encoded[at:]
                return cut, max(width, left + wide), max(height, top + high)
            if encoded[at] != _EXTENSION:
                raise Rejected(DAMAGED)
            end = _end_of_blocks(encoded, at + 2)
            if encoded[at + 1] == _CONTROL and end - at == _CONTROL_BYTES:
                control = encoded[at:end]
            at = end
    except (struct.error, IndexError):
        pass
    raise Rejected(DAMAGED)


def _end_of_blocks(encoded: bytes, at: int) -> int:
    for _ in range(_MAX_BLOCKS):
        size = encoded[at]
        at += size + 1
        if not size:
            return at
    raise Rejected(f"a GIF with more than {_MAX_BLOCKS} blocks before its picture")
