"""Image files that hurt decoders, built by code: for the tests and for fuzzing.

    files = all_bombs()          name to bytes

Each is small and hurts something that was seen to be hurt: memory, time, or the decoder's heap.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image

SIDE = 12_000


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    """Returns an image as a file of a format of Pillow's."""
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def animated_webp() -> bytes:
    """A WebP of a few hundred bytes with two frames: it corrupts the heap of TensorFlow's decoder."""
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    return encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)


def webp_of_size(side: int = 16384) -> bytes:
    """A still WebP whose canvas claims `side` x `side` pixels."""
    canvas = (side - 1).to_bytes(3, "little")
    body = b"WEBP" + b"VP8X" + struct.pack("<I", 10) + bytes(4) + canvas + canvas
    return b"RIFF" + struct.pack("<I", len(body)) + body


def png_of_size(width: int = 60_000, height: int = 60_000) -> bytes:
    """A PNG of a few bytes that claims any size."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return _png(head, zlib.compress(b"\0" * 1000))


def png_that_unpacks(side: int = 8000) -> bytes:
    """A whole PNG of black, a thousandth of its pixels in bytes."""
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return _png(head, zlib.compress(bytes(side * (side + 1)), 9))


def png_of_many_chunks(count: int = 500_000) -> bytes:
    """A small picture behind half a million empty chunks."""
    chunk = _chunk(b"teST", b"")
    small = encoded(Image.new("L", (4, 4)), "PNG")
    return small[:33] + chunk * count + small[33:]


def _png(head: bytes, data: bytes) -> bytes:
    chunks = ((b"IHDR", head), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def gif_of_frames(sizes: list[tuple[int, int]], canvas: tuple[int, int] = (1, 1), comment: int = 0) -> bytes:
    """A GIF with frames of the given sizes, each almost without data, behind a comment of some bytes."""
    parts = [b"GIF89a", struct.pack("<HHBBB", *canvas, 0x80, 0, 0), bytes([0, 0, 0, 255, 255, 255])]
    if comment:
        full, rest = divmod(comment, 255)
        parts += [
            b"\x21\xfe",
            (b"\xff" + b"c" * 255) * full,
            bytes([rest]) + b"c" * rest if rest else b"",
            b"\0",
        ]
    for width, height in sizes:
        parts += [b"\x2c", struct.pack("<HHHHB", 0, 0, width, height, 0), _gif_data(width * height)]
    return b"".join(parts) + b"\x3b"


def _gif_data(pixels: int) -> bytes:
    """LZW codes that repeat one colour: every code is one longer than the one before."""
    clear, end, width = 4, 5, 3
    codes: list[tuple[int, int]] = []
    done = 0
    while done < pixels:
        codes += [(clear, width), (0, 3)]
        width, following, length = 3, 6, 1
        done += 1
        while done < pixels and following < 4095:
            length += 1
            codes.append((following, width))
            done += length
            following += 1
            if following == 1 << width and width < 12:
                width += 1
    codes.append((end, width))
    packed = bits = 0
    out = bytearray()
    for code, size in codes:
        packed |= code << bits
        bits += size
        while bits >= 8:
            out.append(packed & 255)
            packed >>= 8
            bits -= 8
    if bits:
        out.append(packed & 255)
    blocks = [bytes(out[at : at + 255]) for at in range(0, len(out), 255)]
    return b"\x02" + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"


def gif_of_a_large_later_frame() -> bytes:
    """First a frame of one pixel, then one of 12000 x 12000."""
    return gif_of_frames([(1, 1), (SIDE, SIDE)])


def jpeg_of_scans(scans: int = 2000, side: int = 1000) -> bytes:
    """A progressive JPEG whose last scan is repeated: each walks over the whole picture."""
    shades = np.random.default_rng(0).integers(0, 256, (8, 8), np.uint8)
    image = Image.fromarray(shades).resize((side, side))
    whole = encoded(image, "JPEG", progressive=True, quality=20)
    at = whole.rindex(b"\xff\xda")
    length = struct.unpack_from(">H", whole, at + 2)[0]
    # no coefficient changes: one code says that nothing comes until the end of the picture's blocks
    head = whole[at : at + 2 + length]
    return (
        whole[:-2]
        + (head + whole[at + 2 + length : -2][:40]) * (scans - whole.count(b"\xff\xda"))
        + b"\xff\xd9"
    )


def jpeg_of_fill(count: int = 4_000_000) -> bytes:
    """A JPEG with millions of fill bytes before its first segment."""
    whole = encoded(Image.new("L", (8, 8)), "JPEG")
    return whole[:2] + b"\xff" * count + whole[2:]


def jpeg_of_segments(count: int = 500_000) -> bytes:
    """A JPEG with half a million empty comments."""
    whole = encoded(Image.new("L", (8, 8)), "JPEG")
    return whole[:2] + b"\xff\xfe\x00\x02" * count + whole[2:]


def jpeg_of_size(width: int = 65_000, height: int = 65_000) -> bytes:
    """A small JPEG whose header is changed to claim a size."""
    data = bytearray(encoded(Image.new("L", (8, 8)), "JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def bmp_of_size(width: int = SIDE, height: int = -SIDE) -> bytes:
    """A small BMP whose header is changed to claim a size."""
    data = bytearray(encoded(Image.new("RGB", (8, 8)), "BMP"))
    data[18:26] = struct.pack("<ii", width, height)
    return bytes(data)


def tiff_of_repeated_data(entries: int = 500) -> bytes:
    """A TIFF whose entries all point to the same megabyte, which a reader copies for each."""
    whole = encoded(Image.new("L", (8, 8)), "TIFF")
    rows = [(256, 4, 1, 8), (257, 4, 1, 8)]
    rows += [(40_000 + number, 1, 1 << 20, 8) for number in range(entries)]
    table = b"".join(struct.pack("<HHII", *row) for row in rows)
    place = 8 + (1 << 20)
    body = bytes(1 << 20) + struct.pack("<H", len(rows)) + table + bytes(4)
    return whole[:4] + struct.pack("<I", place) + body


def tiff_of_size(side: int = SIDE) -> bytes:
    """A small TIFF whose directory claims a size."""
    rows = [(256, 4, 1, side), (257, 4, 1, side), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    table = b"".join(struct.pack("<HHII", *row) for row in rows)
    return b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(rows)) + table + bytes(4)


def heif_of(brand: bytes, sizes: list[tuple[int, int]]) -> bytes:
    """A HEIC or AVIF file of nothing but the sizes of its pictures."""

    def box(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I4s", 8 + len(body), kind) + body

    extents = b"".join(box(b"ispe", struct.pack(">III", 0, *size)) for size in sizes)
    meta = box(b"meta", bytes(4) + box(b"iprp", box(b"ipco", extents)))
    return box(b"ftyp", brand + bytes(4) + b"mif1") + meta


_BOMBS: dict[str, Callable[[], bytes]] = {
    "animated webp": animated_webp,
    "webp of size": webp_of_size,
    "png of size": png_of_size,
    "png that unpacks": png_that_unpacks,
    "png of many chunks": png_of_many_chunks,
    "gif of a large later frame": gif_of_a_large_later_frame,
    "gif of many frames": lambda: gif_of_frames([(1000, 1000)] * 2000, (1000, 1000)),
    "gif of a large comment": lambda: gif_of_frames([(1, 1)], comment=12_000_000),
    "jpeg of scans": jpeg_of_scans,
    "jpeg of fill": jpeg_of_fill,
    "jpeg of segments": jpeg_of_segments,
    "jpeg of size": jpeg_of_size,
    "bmp of size": bmp_of_size,
    "tiff of repeated data": tiff_of_repeated_data,
    "tiff of size": tiff_of_size,
    "jpeg xl": lambda: b"\xff\x0a" + bytes(50),
    "avif": lambda: b"\x00\x00\x00\x1cftypavif" + bytes(50),
    "heic of size": lambda: heif_of(b"heic", [(60_000, 60_000)]),
    "avif of size": lambda: heif_of(b"avif", [(16, 16), (60_000, 60_000)]),
    "heic of boxes": lambda: heif_of(b"heic", [(1, 1)] * 500_000),
}


def names() -> tuple[str, ...]:
    """Names of the files that `bomb` builds."""
    return tuple(_BOMBS)


def bomb(name: str) -> bytes:
    """Builds one of the files."""
    return _BOMBS[name]()


def all_bombs() -> dict[str, bytes]:
    """Builds all of them, by name."""
    return {name: bomb(name) for name in _BOMBS}
