"""Which files are images? Names and signatures; no library is loaded for it."""

from __future__ import annotations

from ssgan_tf.image_files import BMP_SIGNATURE, EXIF_BIG, EXIF_LITTLE, JPEG_SIGNATURE, PNG_SIGNATURE

READ = (".png", ".jpg", ".jpeg", ".jfif", ".bmp", ".gif", ".webp", ".tif", ".tiff")
# found in folders, so that they are counted and their owner is told why they are left out
REFUSED = (".heic", ".heif", ".avif", ".jxl")
SUFFIXES = READ + REFUSED
WORDS = "PNG, JPEG, BMP, GIF, WebP or TIFF"

CONVERTED = ("GIF", "WEBP", "TIFF")
_SIGNATURES = {
    PNG_SIGNATURE: "PNG",
    JPEG_SIGNATURE: "JPEG",
    BMP_SIGNATURE: "BMP",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    EXIF_LITTLE: "TIFF",
    EXIF_BIG: "TIFF",
    b"\xff\x0a": "JPEG XL",
    b"\x00\x00\x00\x0cJXL ": "JPEG XL",
}
_BRANDS = {b"avif": "AVIF", b"avis": "AVIF", b"heic": "HEIC", b"heix": "HEIC", b"mif1": "HEIC"}


def format_of(encoded: bytes) -> str:
    """Returns a file's format by its first bytes, also of formats that are not read; "" if unknown."""
    for signature, name in _SIGNATURES.items():
        if encoded.startswith(signature):
            return name
    if encoded[:4] == b"RIFF" and encoded[8:12] == b"WEBP":
        return "WEBP"
    return _BRANDS.get(encoded[8:12], "") if encoded[4:8] == b"ftyp" else ""
