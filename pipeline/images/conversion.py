"""GIF, WebP, TIFF, HEIC and AVIF as PNG: read with Pillow, for decoders that cannot be trusted with them.

The PNG holds the same picture, upright, with its transparency and its 16 bits: all that follows from
these is then done where it is done for PNG files.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from typing import Any

import numpy as np

from pipeline.images.exif import orientation_in, upright
from pipeline.images.formats import CONVERTED
from pipeline.images.gif import first_frame
from pipeline.images.headers import Header
from pipeline.images.rejected import Rejected
from ssgan_tf.image_files import EXIF_MARK, PNG_SIGNATURE

DAMAGED = "the image data is damaged or cut off"
# channels to the colour type of PNG: grey, grey and alpha, RGB, RGBA
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
_ANIMATED = {"WEBP": "WebP", "AVIF": "AVIF"}
_TRANSPARENT = ("LA", "La", "PA", "RGBA", "RGBa")


def as_decodable(encoded: bytes, header: Header) -> bytes:
    """Returns the file itself, or a PNG of its (first) picture where it is one of `CONVERTED`.

    Args:
        encoded: a file that `headers.read_header` admitted.
        header: what it said.

    Raises:
        Rejected: the picture cannot be unpacked.
        MemoryError: there is no room for it.
    """
    if header.format not in CONVERTED:
        return encoded
    if header.format == "GIF":
        encoded, _, _ = first_frame(encoded)
    return png_file(_unpacked(encoded, header))


def _unpacked(encoded: bytes, header: Header) -> np.ndarray:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with _opened(encoded, header.format) as image:
                _check_size(image, header)
                if header.format in ("WEBP", "AVIF") and getattr(image, "n_frames", 1) != 1:
                    raise Rejected(
                        f"an animated {_ANIMATED[header.format]}; store one of its pictures as PNG"
                    )
                # the readers of TIFF and HEIC turn pictures themselves; that of AVIF says by Exif how it lies
                block = image.info.get("exif", b"") if header.format in ("WEBP", "AVIF") else b""
                pixels = _pixels(image)
    except Rejected:
        raise
    except MemoryError:
        raise
    except Exception:
        # Pillow's readers raise many kinds on broken files
        raise Rejected(DAMAGED) from None
    return upright(pixels, orientation_in(block.removeprefix(EXIF_MARK["JPEG"])))


def _opened(encoded: bytes, form: str) -> Any:
    from PIL import Image

    if form != "HEIC":
        return Image.open(io.BytesIO(encoded), formats=(form,))
    from pillow_heif.as_plugin import HeifImageFile

    # not registered with Pillow: nothing else in the process should read other formats for it
    return HeifImageFile(io.BytesIO(encoded))


def _check_size(image: Any, header: Header) -> None:
    if header.format in ("HEIC", "AVIF"):
        # a clean aperture may leave less of the picture
        fine = image.width * image.height <= header.pixels
    else:
        fine = sorted(image.size) == sorted((header.width, header.height))
    if not fine:
        raise Rejected(DAMAGED)


def _pixels(image: Any) -> np.ndarray:
    if image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16)[..., np.newaxis]
    transparent = image.mode in _TRANSPARENT or "transparency" in image.info
    grey = image.mode in ("1", "L", "LA", "La") and image.format != "GIF"
    mode = {(True, True): "LA", (True, False): "L", (False, True): "RGBA", (False, False): "RGB"}
    pixels = np.asarray(image.convert(mode[grey, transparent]))
    return pixels if pixels.ndim == 3 else pixels[..., np.newaxis]


def png_file(pixels: np.ndarray) -> bytes:
    """Writes uint8 or uint16 [h, w, 1 to 4] as a PNG, not compressed: it is read again at once.

    Source: PNG specification, third edition, sections 5 and 11.
    """
    height, width, channels = pixels.shape
    deep = pixels.dtype == np.uint16
    rows = (pixels.astype(">u2") if deep else np.ascontiguousarray(pixels)).view(np.uint8)
    filtered = np.zeros((height, 1 + width * channels * (1 + deep)), np.uint8)
    filtered[:, 1:] = rows.reshape(height, -1)
    head = struct.pack(">IIBBBBB", width, height, 16 if deep else 8, _COLOUR_TYPES[channels], 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(filtered.data, 0)), (b"IEND", b""))
    return PNG_SIGNATURE + b"".join(_chunk(name, body) for name, body in chunks)


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(name)))
