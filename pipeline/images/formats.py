"""Which files are images, and which of them can be read? Told by names and signatures."""

from __future__ import annotations

import functools
import importlib.util

from ssgan_tf.image_files import BMP_SIGNATURE, EXIF_BIG, EXIF_LITTLE, JPEG_SIGNATURE, PNG_SIGNATURE

READ = (".png", ".jpg", ".jpeg", ".jfif", ".bmp", ".gif", ".webp", ".tif", ".tiff")
# read where what reads them is installed; else each is skipped, with what to install
OPTIONAL = (".heic", ".heif", ".hif", ".avif")
SUFFIXES = READ + OPTIONAL
WORDS = "PNG, JPEG, BMP, GIF, WebP or TIFF"

CONVERTED = ("GIF", "WEBP", "TIFF", "HEIC", "AVIF")
_INSTALL = {
    "HEIC": "HEIC images are read with pillow-heif: pip install 'ganpipe[heif]'",
    "AVIF": "AVIF images are read with Pillow 11.3 or newer: pip install -U pillow",
}
RAW = "camera RAW"
# what they are called, what to do about them
_ADVICE = {
    RAW: "export as JPEG or TIFF",
    "Photoshop": "export as PNG or JPEG",
    "JPEG XL": "store it as PNG or JPEG",
    "JPEG 2000": "store it as PNG or JPEG",
    "DICOM": "export as PNG; 16 bits of grey are read",
    "rare image format": "store it as PNG or JPEG",
    "vector graphic": "draw it as PNG",
    "PDF": "store its pages as PNG",
    "video": "store its frames as PNG or JPEG",
    "archive": "unpack it",
}
NO_PICTURES = ("vector graphic", "PDF", "video", "archive")
_ENDINGS = {
    RAW: "3fr arw cr2 cr3 crw dcr dng erf iiq kdc mef mos mrw nef nrw orf pef raf raw rw2 rwl sr2 srf srw",
    "Photoshop": "psb psd",
    "JPEG XL": "jxl",
    "JPEG 2000": "j2k jp2 jpf jpx",
    "DICOM": "dcm dicom",
    "rare image format": "dds exr fits hdr icns ico nii pbm pcx pgm pnm ppm tga xcf",
    "vector graphic": "ai eps svg svgz",
    "PDF": "pdf",
    "video": "3gp avi m2ts m4v mkv mov mp4 mpeg mpg mts webm wmv",
    "archive": "7z rar tar tgz zip",
}
UNSUPPORTED = {f".{ending}": kind for kind, endings in _ENDINGS.items() for ending in endings.split()}
"""Endings of files that somebody may take for images, with the kind of each."""

_SIGNATURES = {
    PNG_SIGNATURE: "PNG",
    JPEG_SIGNATURE: "JPEG",
    BMP_SIGNATURE: "BMP",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    EXIF_LITTLE + b"\x10\x00\x00\x00CR": RAW,
    EXIF_LITTLE: "TIFF",
    EXIF_BIG: "TIFF",
    b"FUJIFILMCCD-RAW": RAW,
    b"IIRO": RAW,
    b"IIRS": RAW,
    b"MMOR": RAW,
    b"IIU\0": RAW,
    b"8BPS": "Photoshop",
    b"\xff\x0a": "JPEG XL",
    b"\x00\x00\x00\x0cJXL ": "JPEG XL",
    b"\x00\x00\x00\x0cjP  ": "JPEG 2000",
    b"%PDF-": "PDF",
}
_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1", b"hevc", b"hevx"), "HEIC"),
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
    b"crx ": RAW,
}


def format_of(encoded: bytes) -> str:
    """Returns a file's format by its first bytes, also of formats that are not read; "" if unknown."""
    for signature, name in _SIGNATURES.items():
        if encoded.startswith(signature):
            return name
    if encoded[:4] == b"RIFF" and encoded[8:12] == b"WEBP":
        return "WEBP"
    if encoded[4:8] != b"ftyp":
        return ""
    # which of the two codings the general brand means stands among the others
    others = [encoded[at : at + 4] for at in range(16, min(int.from_bytes(encoded[:4], "big"), 256), 4)]
    return "AVIF" if encoded[8:12] == b"mif1" and b"avif" in others else _BRANDS.get(encoded[8:12], "")


def advice(kind: str) -> str:
    """Returns what to do about files of a kind that is not read."""
    return _ADVICE[kind]


def unreadable(name: str) -> str:
    """Returns why files of a format (as `format_of` names it) cannot be read here; "" where they can."""
    if name in _ADVICE:
        return f"{name} files are not read: {_ADVICE[name]}"
    return "" if name not in _INSTALL or _installed(name) else _INSTALL[name]


@functools.cache
def _installed(name: str) -> bool:
    if name == "HEIC":
        return importlib.util.find_spec("pillow_heif") is not None
    from PIL import features

    # a Pillow that is older does not know the name and warns
    return "avif" in features.modules and bool(features.check_module("avif"))
