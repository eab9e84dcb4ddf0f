"""What a classifier's stored predictions say: where it is right, and where it errs most surely."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.workspace import PREDICTIONS_FILE

MISTAKES = 24


@dataclass(frozen=True)
class Predictions:
    """Answers to images that their model had not seen.

    Attributes:
        keys: [N].
        labels: int [N].
        probabilities: [N, K], at the temperature of the evaluation.
        digests: of the images' pixels [N]: the same image has the same one in every draw.
        folds: which fold's model answered, int [N], where the draw is cross-fitted; else None.
    """

    keys: Sequence[str]
    labels: np.ndarray
    probabilities: np.ndarray
    digests: np.ndarray
    folds: np.ndarray | None = None

    @classmethod
    def load(cls, evaluated: Path, temperature: float = 1.0) -> Predictions:
        """Reads `predictions.npz` of an evaluation's folder.

        Args:
            evaluated: the folder.
            temperature: divides the logits.
        """
        from ssgan_tf.metrics.probabilities import softmax

        with np.load(evaluated / PREDICTIONS_FILE, allow_pickle=False) as stored:
            probabilities = softmax(stored["logits"], temperature)
            return cls(
                stored["keys"].tolist(),
                stored["labels"],
                probabilities,
                stored["digests"],
                stored.get("folds"),
            )

    def take(self, rows: np.ndarray) -> Predictions:
        """The answers of some rows, in their order."""
        keys = [self.keys[row] for row in rows]
        folds = None if self.folds is None else self.folds[rows]
        return Predictions(keys, self.labels[rows], self.probabilities[rows], self.digests[rows], folds)

    @property
    def right(self) -> np.ndarray:
        """Whether each answer is right, bool [N]."""
        return self.probabilities.argmax(axis=1) == self.labels


@dataclass(frozen=True)
class Mistake:
    """A wrong answer: the image as a data URI, and in words what it is and what was said."""

    picture: str
    key: str
    truth: str
    said: str
    confidence: float


def surest(predictions: Predictions, count: int = MISTAKES) -> list[int]:
    """The numbers of the wrong answers of the largest confidence, the surest first."""
    confidence = predictions.probabilities.max(axis=1)
    wrong = np.flatnonzero(~predictions.right)
    return wrong[np.argsort(-confidence[wrong], kind="stable")][:count].tolist()


def surest_mistakes(
    predictions: Predictions,
    images: Mapping[int, np.ndarray] | np.ndarray,
    class_names: Sequence[str],
    count: int = MISTAKES,
) -> list[Mistake]:
    """The wrong answers of the largest confidence, the surest first.

    Args:
        predictions: of the split.
        images: record images uint8 [H, W, C] by their numbers in the predictions; of these at least.
        class_names: K names.
        count: how many at most.
    """
    said = predictions.probabilities.argmax(axis=1)
    confidence = predictions.probabilities.max(axis=1)
    return [
        Mistake(
            picture=picture(images[n]),
            key=predictions.keys[n],
            truth=class_names[predictions.labels[n]],
            said=class_names[said[n]],
            confidence=float(confidence[n]),
        )
        for n in surest(predictions, count)
    ]


def picture(image: np.ndarray) -> str:
    """A record image uint8 [H, W, 1 or 3] as a PNG data URI."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).save(buffer, "PNG")
    return data_uri(buffer.getvalue())


def data_uri(png: bytes) -> str:
    """A PNG file's bytes as a data URI."""
    return "data:image/png;base64," + base64.b64encode(png).decode()
