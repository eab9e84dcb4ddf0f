"""`gaussian[:SEED]`: points of the plane from one Gaussian distribution, for the recipe `gaussian`.

1,000 points for training and 1,000 others as the test split, without labels. `ssgan_tf.points` says what
the distribution is and how a point becomes a record image of 1x8 grey pixels without any rounding.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pipeline.errors import UsageError
from pipeline.sources.arrays import Arrays, ArraySource
from ssgan_tf.points import draw_points, to_records

COUNT = 1000


@dataclass(frozen=True)
class Gaussian(ArraySource):
    """The points of one seed: two splits of uint8 [1000, 1, 8, 1], no class."""

    seed: int = 0

    name: ClassVar[str] = "gaussian"

    def load(self) -> dict[str, Arrays]:
        """Draws the points of both splits."""
        unlabelled = np.full(COUNT, -1, np.int32)
        return {
            split: Arrays(to_records(draw_points(COUNT, self.seed, part)), unlabelled)
            for part, split in enumerate(("train", "test"))
        }

    def digest(self) -> str:
        """Hex digest of all points."""
        digest = hashlib.sha256()
        for arrays in self.load().values():
            digest.update(np.asarray(arrays.images).tobytes())
        return digest.hexdigest()


def open_source(argument: str, *, data_dir: str | None = None, labels: str | None = None) -> Gaussian:
    """Opens the points; the argument is their seed.

    Raises:
        UsageError: the argument is no whole number from 0.
    """
    if argument and not (argument.isascii() and argument.isdigit() and len(argument) < 10):
        raise UsageError(f"the seed in gaussian:SEED must be a whole number from 0; got {argument!r}.")
    return Gaussian(int(argument or 0))
