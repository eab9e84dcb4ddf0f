"""What a classifier keeps of the images it was made for, so that later ones can be compared with them.

    reference = Reference.load(path)
    outputs["looks_familiar"] = reference.in_graph(logits, features, real_score)

It holds features, confidences and predicted classes of a bounded number of images, never the images.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from ssgan_tf.array_files import read_arrays
from ssgan_tf.errors import DamagedData

MOST_IMAGES = 2000
# numbers of all features: 4 MB
MOST_VALUES = 2**20
NEIGHBOURS = 10
REAL_SCORE, MAXIMUM, ENERGY, NEAREST = "real score", "maximum probability", "energy", "nearest neighbours"
SCORES = (REAL_SCORE, MAXIMUM, ENERGY, NEAREST)
"""What can tell a familiar image from a foreign one; each is larger for familiar ones."""


@dataclass(frozen=True)
class Reference:
    """Images that a classifier was made for, as it sees them.

    Attributes:
        features: of the layer before the logits, float32 [N, F].
        confidence: float32 [N], at the temperature of the export.
        class_id: predicted classes, int32 [N].
        split: which images they are.
        held_out: whether the classifier was trained on none of them.
        score: one of SCORES, that `looks_familiar` comes from; "": too few images for one.
        bank: the first so many images are those whose neighbourhood is looked at.
        scores: of the other images, float32, ascending.
    """

    features: np.ndarray
    confidence: np.ndarray
    class_id: np.ndarray
    split: str
    held_out: bool
    score: str = ""
    bank: int = 0
    scores: np.ndarray = field(default_factory=lambda: np.empty(0, np.float32))

    def save(self, path: Path) -> None:
        """Writes it as an npz file."""
        with path.open("wb") as file:
            np.savez(file, allow_pickle=False, **vars(self))

    @classmethod
    def load(cls, path: Path) -> Reference:
        """Reads what `save` wrote.

        Raises:
            DamagedData: it is missing, damaged, or no such file.
        """
        try:
            stored = read_arrays(path)
            values: dict[str, Any] = {name: stored[name] for name in cls.__dataclass_fields__}
            for name, kind in (("split", str), ("held_out", bool), ("score", str), ("bank", int)):
                values[name] = kind(values[name])
            found = cls(**values)
            rows = len(found.features)
            if found.features.ndim != 2 or {found.confidence.shape, found.class_id.shape} != {(rows,)}:
                raise ValueError("its parts are of different sizes")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DamagedData(f"the reference {str(path)!r} cannot be read: {error}.") from None
        return found

    def in_graph(self, logits: tf.Tensor, features: tf.Tensor, real_score: tf.Tensor) -> tf.Tensor:
        """Share in (0, 1] of the reference images that look no more familiar than these do, [B].

        It is a conformal p-value (Vovk et al. 2005, section 2.2): of images like those of the reference at
        most a share a gets less than a. Foreign images get small ones.

        Args:
            logits: class logits float32 [B, K].
            features: float32 [B, F].
            real_score: float32 [B].
        """
        score = score_of(self.score, logits, features, real_score, self.features[: self.bank])
        below = tf.searchsorted(tf.constant(self.scores), score, side="right")
        return tf.cast(1 + below, tf.float32) / (1.0 + len(self.scores))


def score_of(
    name: str, logits: tf.Tensor, features: tf.Tensor, real_score: tf.Tensor, bank: np.ndarray
) -> tf.Tensor:
    """How familiar images look, float32 [B], larger for familiar ones, by one of SCORES.

    The largest probability (Hendrycks and Gimpel 2017), the free energy of the logits (Liu et al. 2020,
    equation 4, its negative), the distance to the tenth of the nearest directions of features (Sun et al.
    2022, section 3; its negative), or the discriminator's own view.

    Args:
        name: one of SCORES.
        logits: class logits float32 [B, K].
        features: float32 [B, F].
        real_score: float32 [B].
        bank: features float32 [M, F] that neighbours are looked for among.
    """
    if name == REAL_SCORE:
        return real_score
    if name == MAXIMUM:
        return tf.reduce_max(tf.nn.softmax(logits), axis=-1)
    if name == ENERGY:
        return tf.reduce_logsumexp(logits, axis=-1)
    if name == NEAREST:
        directions = tf.math.l2_normalize(tf.constant(bank, tf.float32), axis=1)
        likeness = tf.matmul(tf.math.l2_normalize(features, axis=1), directions, transpose_b=True)
        return tf.math.top_k(likeness, min(NEIGHBOURS, len(bank))).values[:, -1]
    raise ValueError(f"no such score: {name}")
