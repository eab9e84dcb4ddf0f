"""What a classifier's stored predictions say: when to abstain, and where it errs most surely."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.workspace import PREDICTIONS_FILE

THRESHOLDS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.99, 0.999)
MISTAKES = 24


@dataclass(frozen=True)
class Predictions:
    """Answers on the held-out split.

    Attributes:
        keys: [N].
        labels: int [N].
        probabilities: [N, K], at the temperature of the evaluation.
        digests: of the images' pixels [N]: the same image has the same one in every draw.
    """

    keys: Sequence[str]
    labels: np.ndarray
    probabilities: np.ndarray
    digests: np.ndarray

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
            return cls(stored["keys"].tolist(), stored["labels"], probabilities, stored["digests"])

    def take(self, rows: np.ndarray) -> Predictions:
        """The answers of some rows, in their order."""
        keys = [self.keys[row] for row in rows]
        return Predictions(keys, self.labels[rows], self.probabilities[rows], self.digests[rows])

    @property
    def right(self) -> np.ndarray:
        """Whether each answer is right, bool [N]."""
        return self.probabilities.argmax(axis=1) == self.labels


@dataclass(frozen=True)
class Threshold:
    """What abstaining below a confidence gives: images answered, mistakes among them, and their shares."""

    below: float
    answered: int
    coverage: float
    mistakes: int
    error: float | None


@dataclass(frozen=True)
class Mistake:
    """A wrong answer: the image as a data URI, and in words what it is and what was said."""

    picture: str
    key: str
    truth: str
    said: str
    confidence: float


def thresholds(predictions: Predictions) -> list[Threshold]:
    """What each of a few thresholds of confidence would give on the held-out split."""
    confidence = predictions.probabilities.max(axis=1)
    wrong = ~predictions.right
    rows = []
    for below in THRESHOLDS:
        # as the served model compares: it abstains below the threshold
        answers = confidence >= below
        answered, mistakes = int(answers.sum()), int((answers & wrong).sum())
        error = mistakes / answered if answered else None
        rows.append(Threshold(below, answered, answered / len(wrong), mistakes, error))
    return rows


def surest_mistakes(
    predictions: Predictions, images: np.ndarray, class_names: Sequence[str], count: int = MISTAKES
) -> list[Mistake]:
    """The wrong answers of the largest confidence, the surest first.

    Args:
        predictions: of the split.
        images: the split's record images uint8 [N, H, W, C], in the order of the predictions.
        class_names: K names.
        count: how many at most.
    """
    said = predictions.probabilities.argmax(axis=1)
    confidence = predictions.probabilities.max(axis=1)
    wrong = np.flatnonzero(~predictions.right)
    chosen = wrong[np.argsort(-confidence[wrong], kind="stable")][:count]
    return [
        Mistake(
            picture=picture(images[n]),
            key=predictions.keys[n],
            truth=class_names[predictions.labels[n]],
            said=class_names[said[n]],
            confidence=float(confidence[n]),
        )
        for n in chosen
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
