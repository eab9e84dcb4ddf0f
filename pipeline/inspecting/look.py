"""One image, looked at: what it is, whether it can be used, and what it looks like in few bytes."""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np

from pipeline.data_schema.light import brightness_and_contrast
from pipeline.images.rejected import Rejected
from pipeline.inspecting.hashes import SIDE, grey, perceptual_hash, small_copy
from pipeline.sources.source import Item, content_digest

ARRAY = "array"
TINY = 8


class Seen(NamedTuple):
    """What is kept of an image, some 700 bytes.

    Attributes:
        split, position: where it is in the source.
        place: its path, or its place in an array.
        label: class index, -1 where it has none.
        reason: why it cannot be used, else "".
        digest: of its pixels.
        form: the file's format.
        height, width, channels: of the picture as it is seen.
        orientation: 1 to 8, of the file's Exif block.
        bytes: of the file.
        brightness, contrast: mean and standard deviation of its values, 0..255.
        hash, copy: by which near-duplicates are found.
    """

    split: str
    position: int
    place: str
    label: int
    reason: str = ""
    digest: str = ""
    form: str = ARRAY
    height: int = 0
    width: int = 0
    channels: int = 0
    orientation: int = 1
    bytes: int = 0
    brightness: int = 0
    contrast: int = 0
    hash: int = 0
    copy: np.ndarray = np.zeros(0, np.uint8)

    @property
    def constant(self) -> bool:
        """Whether all of its values are nearly the same."""
        return not self.reason and self.contrast < 1

    @property
    def tiny(self) -> bool:
        """Whether a side is so short that little can be seen."""
        return not self.reason and min(self.height, self.width) < TINY


def pixels_of(item: Item, background: int) -> np.ndarray:
    """The picture of an item, uint8 [h, w, c].

    Raises:
        Rejected: it cannot be used.
    """
    if item.problem:
        raise Rejected(item.problem)
    if item.pixels is not None:
        return item.pixels
    # loads TensorFlow, which arrays do without
    from pipeline.images.decoding import decode

    return decode(item.encoded or b"", background=background)


def look(
    item: Item, split: str, position: int, background: int, clock: list[float]
) -> tuple[Seen, np.ndarray | None]:
    """Looks at an item; returns what is kept of it, and its picture where there is one.

    Args:
        item: of the source.
        split, position: where it is there.
        background: level 0..255 behind transparent pixels.
        clock: takes the seconds for what preparing it does too.
    """
    begun = time.perf_counter()
    try:
        pixels = pixels_of(item, background)
        digest = content_digest(pixels)
        clock.append(time.perf_counter() - begun)
    except Rejected as error:
        return Seen(split, position, item.place, item.label, reason=str(error)), None
    form, turned = ARRAY, 1
    if item.encoded:
        from pipeline.images.exif import orientation
        from pipeline.images.formats import format_of

        form = format_of(item.encoded)
        turned = orientation(item.encoded, form)
    height, width, channels = pixels.shape
    (brightness,), (contrast,) = brightness_and_contrast(pixels[None])
    picture = grey(pixels, SIDE)
    return Seen(
        split,
        position,
        item.place,
        item.label,
        digest=digest,
        form=form,
        height=height,
        width=width,
        channels=channels,
        orientation=turned,
        bytes=len(item.encoded) if item.encoded else pixels.nbytes,
        brightness=brightness,
        contrast=contrast,
        hash=perceptual_hash(picture),
        copy=small_copy(picture),
    ), pixels
