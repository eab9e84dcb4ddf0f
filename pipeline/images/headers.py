"""What an image file claims to be, read from its bytes before any decoder sees it.

    header = read_header(encoded)

A small file can claim gigapixels, unpack to thousands of frames, or hold formats and layouts that a
decoder misreads or does not survive. The time is linear in the file's length, with no library's parser.
"""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

from pipeline.images.formats import WORDS, format_of, unreadable
from pipeline.images.gif import first_frame
from pipeline.images.heif import largest_picture
from pipeline.images.rejected import DAMAGED, Rejected
from pipeline.images.tiff import read_directory
from ssgan_tf import image_files

MAX_PIXELS = image_files.MAX_PIXELS
_MAX_SEGMENTS = 2000
_FILL = re.compile(b"\xff+")
# baseline, extended and progressive; the others are lossless, hierarchical or of arithmetic coding
_FRAMES, _OTHER_FRAMES = (
    (0xC0, 0xC1, 0xC2),
    (0xC3, *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)),
)
_ALONE, _END = (0x01, *range(0xD0, 0xD9)), (0xD9, 0xDA)


class Header(NamedTuple):
    """What a file's header says.

    Attributes:
        format: a key of the formats in `pipeline.images.formats`.
        width, height: pixels, as stored.
        deep: PNG of 16 bits a channel.
        grey: PNG without colour.
        alpha: PNG with transparency.
    """

    format: str
    width: int
    height: int
    deep: bool = False
    grey: bool = False
    alpha: bool = False

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return self.width * self.height


def read_header(encoded: bytes, limit: int = MAX_PIXELS) -> Header:
    """Reads what a file claims, and refuses what must not be decoded.

    Args:
        encoded: the file's bytes.
        limit: the most pixels allowed.

    Raises:
        Rejected: another format, a kind that would be misread, too large, or a damaged header.
    """
    if not encoded:
        raise Rejected("the file is empty")
    name = format_of(encoded)
    if reason := unreadable(name):
        raise Rejected(reason)
    if name not in _READERS:
        raise Rejected(f"not a {WORDS} image")
    try:
        header = _READERS[name](encoded)
    except (struct.error, IndexError):
        raise Rejected(DAMAGED) from None
    if header.width < 1 or header.height < 1:
        raise Rejected(DAMAGED)
    if header.pixels > limit:
        raise Rejected(f"{header.width} x {header.height} pixels, more than the {limit} that can be read")
    if name == "JPEG":
        _check_scans(encoded, header.pixels)
    return header


def _png(encoded: bytes) -> Header:
    if encoded[12:16] != b"IHDR":
        raise Rejected(DAMAGED)
    width, height, depth, colour = struct.unpack_from(">IIBB", encoded, image_files.PNG_SIZE_AT)
    if max(width, height) >= 2**31:
        raise Rejected(DAMAGED)
    grey = colour in (image_files.PNG_GREY, image_files.PNG_GREY_ALPHA)
    before = encoded[: encoded.find(image_files.PNG_DATA)]
    alpha = bool(colour & image_files.PNG_ALPHA) or image_files.PNG_TRANSPARENCY in before
    return Header("PNG", width, height, deep=depth == 16, grey=grey, alpha=alpha)


def _jpeg(encoded: bytes) -> Header:
    at = 2
    for _ in range(_MAX_SEGMENTS):
        mark = _FILL.match(encoded, at)
        if mark is None:
            raise Rejected(DAMAGED)
        code, at = encoded[mark.end()], mark.end() + 1
        if code in _FRAMES:
            bits, height, width, components = struct.unpack_from(">BHHB", encoded, at + 2)
            if bits != 8 or components not in (1, 3, 4):
                raise Rejected(f"a JPEG of {bits} bits and {components} channels; store it as PNG")
            return Header("JPEG", width, height)
        if code in _OTHER_FRAMES:
            raise Rejected("a JPEG of a rare coding (lossless or arithmetic); store it as PNG")
        if code in _END:
            raise Rejected(DAMAGED)
        if code not in _ALONE:
            at += struct.unpack_from(">H", encoded, at)[0]
    raise Rejected(f"a JPEG with more than {_MAX_SEGMENTS} blocks before its picture")


def _check_scans(encoded: bytes, pixels: int) -> None:
    # the two bytes also count where they stand in metadata, once in 65,536 bytes: the limit is wide
    scans = encoded.count(image_files.SCAN)
    if scans > image_files.MAX_SCANS or scans * pixels > image_files.MAX_SCANNED_PIXELS:
        raise Rejected(f"a JPEG with {scans} scans, more than can be read; store it as PNG")


def _bmp(encoded: bytes) -> Header:
    if len(encoded) < image_files.BMP_HEADER:
        raise Rejected(DAMAGED)
    (header_size,) = struct.unpack_from("<i", encoded, image_files.BMP_HEADER_SIZE_AT)
    width, height = struct.unpack_from("<ii", encoded, image_files.BMP_SIZE_AT)
    bits, compression = struct.unpack_from("<Hi", encoded, image_files.BMP_BITS_AT)
    masked = compression == image_files.BMP_MASKED
    if bits == 8:
        at = image_files.BMP_HEADER_SIZE_AT + header_size
        palette = encoded[at : at + len(image_files.BMP_GREY_PALETTES[0])] if at > 0 else b""
        fine = compression == 0 and palette in image_files.BMP_GREY_PALETTES
    else:
        masks = encoded[image_files.BMP_HEADER :].startswith(image_files.BMP_BGRX_MASKS)
        fine = (bits in (24, 32) and compression == 0) or (bits == 32 and masked and masks)
    if not fine:
        raise Rejected(image_files.BMP_REFUSED)
    # a negative height says that the rows go from top to bottom
    return Header("BMP", width, abs(height))


def _gif(encoded: bytes) -> Header:
    _, width, height = first_frame(encoded)
    return Header("GIF", width, height)


def _webp(encoded: bytes) -> Header:
    kind, body = encoded[12:16], encoded[20:]
    if kind == b"VP8X":
        (flags,) = struct.unpack_from("<B", body)
        if flags & 2:
            raise Rejected("an animated WebP; store one of its pictures as PNG")
        width, height = (int.from_bytes(body[at : at + 3], "little") + 1 for at in (4, 7))
        if len(body) < 10:
            raise Rejected(DAMAGED)
    elif kind == b"VP8L" and body[:1] == b"\x2f":
        (packed,) = struct.unpack_from("<I", body, 1)
        width, height = (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
    elif kind == b"VP8 " and body[3:6] == b"\x9d\x01\x2a":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", body, 6))
    else:
        raise Rejected(DAMAGED)
    return Header("WEBP", width, height)


def _tiff(encoded: bytes) -> Header:
    directory = read_directory(encoded)
    return Header("TIFF", directory.width, directory.height)


def _heic(encoded: bytes) -> Header:
    return Header("HEIC", *largest_picture(encoded))


def _avif(encoded: bytes) -> Header:
    return Header("AVIF", *largest_picture(encoded))


_READERS = {
    "PNG": _png,
    "JPEG": _jpeg,
    "BMP": _bmp,
    "GIF": _gif,
    "WEBP": _webp,
    "TIFF": _tiff,
    "HEIC": _heic,
    "AVIF": _avif,
}
