"""Signatures, header fields and limits of image files that TensorFlow's decoders are trusted with.

No TensorFlow here: the gate in the graph (`ssgan_tf.admission`) and the check in front of it
(`pipeline.images.headers`) read the same numbers.
"""

from __future__ import annotations

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
JPEG_SIGNATURE = b"\xff\xd8\xff"
BMP_SIGNATURE = b"BM"
MAX_PIXELS = 64 * 1024 * 1024

# Every scan of a JPEG costs a walk over its whole picture. Cameras and encoders write 1 to 20.
SCAN = b"\xff\xda"
MAX_SCANS = 100
MAX_SCANNED_PIXELS = 10 * MAX_PIXELS

# PNG: the first chunk begins with width and height, four bytes each, big endian
PNG_SIZE_AT, PNG_DEPTH_AT, PNG_COLOUR_AT = 16, 24, 25
PNG_GREY, PNG_ALPHA, PNG_GREY_ALPHA = 0, 4, 4
PNG_DATA, PNG_TRANSPARENCY = b"IDAT", b"tRNS"
# 16 bits a channel: the largest values of 8 to 16 bits
DEEP_RANGES = tuple(2**bits - 1 for bits in range(8, 17))

BMP_HEADER = 54
BMP_HEADER_SIZE_AT, BMP_SIZE_AT, BMP_BITS_AT, BMP_COMPRESSION_AT = 14, 18, 28, 30
BMP_MASKED = 3
# 256 levels of blue, green, red and a byte that some writers leave 0 and others fill
BMP_GREY_PALETTES = [
    b"".join(bytes([i, i, i, last(i)]) for i in range(256)) for last in (lambda i: 0, lambda i: i)
]
BMP_BGRX_MASKS = b"\x00\x00\xff\x00\x00\xff\x00\x00\xff\x00\x00\x00"
BMP_REFUSED = "a BMP with palette, compression or unusual layout; store it as PNG"

# What precedes the Exif block of a file, which is a small TIFF file
EXIF_MARK = {"PNG": b"eXIf", "JPEG": b"Exif\0\0"}
EXIF_LITTLE, EXIF_BIG = b"II*\0", b"MM\0*"
EXIF_BYTES = 65536
EXIF_PADDING = 16
ORIENTATION_TAG, SHORT = 0x0112, 3
