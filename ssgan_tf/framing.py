"""How a picture of any size becomes a record image: keeping its proportions, or stretched.

    fill      the largest part from the centre that has the record's proportions, then resized to it
    fit       resized to lie within the record, what is left of which shows the background
    stretch   resized to the record, whatever becomes of the proportions

A picture that has the record's proportions is the same in all three. No TensorFlow here: the served graph
and what decodes without it compute with the same whole numbers, so that they see the same pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

FILL, FIT, STRETCH = "fill", "fit", "stretch"
MODES = (FILL, FIT, STRETCH)
WHITE = 255

Choice = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Framing:
    """What is the same for all images of a data set, and for the files that its model is asked about.

    Attributes:
        resize: one of MODES. `fill` is the field's usual: no distortion, and every pixel is the picture's.
        background: level 0..255 behind transparent pixels, and around pictures that are made to fit.
    """

    resize: str = FILL
    background: int = WHITE


def centre(size: tuple[Any, Any], target: tuple[int, int], *, least: Choice = min, most: Choice = max) -> Any:
    """Returns the height and width of the largest part of a picture with a record's proportions.

    It is cut out before anything is resized: a picture of 1 x 1,000,000 pixels costs no more than others.

    Args:
        size: height and width of the picture, whole numbers or scalar int64 tensors.
        target: height and width of the record.
        least, most: minimum and maximum of two such numbers.
    """
    (height, width), (high, wide) = size, target
    return (
        least(height, most(_share(width, high, wide), 1)),
        least(width, most(_share(height, wide, high), 1)),
    )


def inner(size: tuple[Any, Any], target: tuple[int, int], *, least: Choice = min, most: Choice = max) -> Any:
    """Returns the height and width that a picture gets within a record that it is made to fit.

    Arguments as for `centre`.
    """
    (height, width), (high, wide) = size, target
    return (
        least(most(_share(height, wide, width), 1), high),
        least(most(_share(width, high, height), 1), wide),
    )


def _share(length: Any, part: Any, whole: Any) -> Any:
    # rounded, in whole numbers: far below 2**63 for any picture that may be decoded
    return (2 * length * part + whole) // (2 * whole)
