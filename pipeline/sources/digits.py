"""`digits`: the 1,797 handwritten digits of 8x8 pixels that scikit-learn carries with it.

Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998 (its test part).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pipeline.errors import UsageError
from pipeline.sources.arrays import Arrays, ArraySource


@dataclass(frozen=True)
class Digits(ArraySource):
    """The bundled digits: one split, uint8 [1797, 8, 8, 1], ten classes, all labelled.

    They are here to show what the tool does, so most of their labels are withheld unless the user says how
    many to keep.
    """

    name: ClassVar[str] = "digits"
    labels_per_class: ClassVar[int | None] = 10

    def load(self) -> dict[str, Arrays]:
        """Scales the 17 grey levels 0..16 to 0..255."""
        from sklearn.datasets import load_digits

        bundle = load_digits()
        images = np.round(bundle.images * (255.0 / 16.0)).astype(np.uint8)[..., None]
        return {"train": Arrays(images, bundle.target.astype(np.int32))}

    def digest(self) -> str:
        """Hex digest of the pixels and labels."""
        images, labels = self.load()["train"]
        pixels = np.asarray(images).tobytes()
        return hashlib.sha256(pixels + labels.astype(np.int64).tobytes()).hexdigest()


def open_source(argument: str, *, data_dir: str | None = None, labels: str | None = None) -> Digits:
    """Opens the bundled digits; they take no argument.

    Raises:
        UsageError: an argument came.
    """
    if argument:
        raise UsageError(f"the data set 'digits' takes nothing after a colon; got {argument!r}.")
    return Digits()
