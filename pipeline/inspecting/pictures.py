"""Small pictures for a page."""

from __future__ import annotations

import base64
import io

import numpy as np

SIDE = 96
# a picture of no more than this is told from its neighbours pixel by pixel
COARSE = 48


def shrunk(pixels: np.ndarray, side: int = SIDE) -> np.ndarray:
    """A picture whose longer side is `side` at most, uint8 [h, w] or [h, w, 3]; alpha is left out."""
    from PIL import Image

    colours = pixels[..., :3] if pixels.shape[2] >= 3 else pixels[..., :1]
    if max(colours.shape[:2]) <= side:
        # a copy: the picture itself may be large
        return np.array(colours)
    image = Image.fromarray(colours if colours.shape[2] == 3 else colours[..., 0])
    image.thumbnail((side, side), Image.Resampling.BOX)
    small = np.asarray(image)
    return small if small.ndim == 3 else small[..., None]


def data_uri(pixels: np.ndarray) -> str:
    """A picture within a page: PNG where it is small, else JPEG."""
    from PIL import Image

    image = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0])
    kind = "PNG" if max(pixels.shape[:2]) <= COARSE else "JPEG"
    buffer = io.BytesIO()
    image.save(buffer, kind, quality=80)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"
