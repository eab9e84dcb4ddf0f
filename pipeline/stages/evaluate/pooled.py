"""The answers to all labelled images of a cross-fitted draw, each of a model that had not seen the image."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import DataError
from pipeline.evaluated import read_stored
from pipeline.workspace import METRICS_FILE

if TYPE_CHECKING:
    from ssgan_tf.training.trained import Trained


class PooledAnswers:
    """What the evaluations of the folds hold, one after the other.

    Attributes:
        stored: what `predictions.npz` of the whole holds of them.
        like_training: images that look the same as one that their model was trained on.
    """

    def __init__(self, trained: Trained, evaluated: Sequence[Path]) -> None:
        """Reads them.

        Args:
            trained: the model that was trained on all of them.
            evaluated: the evaluations' folders, in the order of the folds.

        Raises:
            DataError: an evaluation is damaged, of another kind of model, or two have an image in common.
        """
        parts = [_read(folder) for folder in evaluated]
        class_names = tuple(trained.record.class_names)
        for folder, (metrics, _) in zip(evaluated, parts, strict=True):
            # not the steps: by default they follow from the number of training images
            theirs = (metrics["recipe"], tuple(metrics["per_class"]))
            if theirs != (trained.record.recipe, class_names):
                raise DataError(
                    f"the evaluation in {str(folder)!r} is of {theirs[0]} with {len(theirs[1])} classes; "
                    f"the model of the whole draw is {trained.record.recipe} with {len(class_names)}, "
                    "or has others. Run `ganpipe train` and `ganpipe evaluate` again."
                )
        together: dict[str, Any] = {
            name: np.concatenate([stored[name] for _, stored in parts])
            for name in ("keys", "digests", "labels", "logits", "real_scores")
        }
        if len(np.unique(together["keys"])) < len(together["keys"]):
            raise DataError(
                f"two folds below {str(evaluated[0].parents[2])!r} tested the same image: they are of "
                "different draws. Run `ganpipe preprocess` again."
            )
        sizes = [len(stored["labels"]) for _, stored in parts]
        self.stored = together | {"folds": np.repeat(np.arange(len(parts), dtype=np.int32), sizes)}
        self.like_training = sum(metrics["images_like_training"] for metrics, _ in parts)
        self._errors = [metrics["error"] for metrics, _ in parts]

    @property
    def summary(self) -> dict[str, Any]:
        """Number of folds, of images, and the error in each fold."""
        return {"folds": len(self._errors), "images": len(self.stored["labels"]), "errors": self._errors}


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    try:
        return json.loads((folder / METRICS_FILE).read_text()), read_stored(folder)
    except (OSError, ValueError, DataError) as error:
        raise DataError(
            f"the evaluation in {str(folder)!r} cannot be read: {str(error).rstrip('.')}. "
            "Run `ganpipe evaluate` again."
        ) from None
