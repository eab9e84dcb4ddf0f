"""The answers to all labelled images of a cross-fitted draw, each of a model that had not seen the image."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import DataError
from pipeline.stages.evaluate.settings import EvaluateConfig
from pipeline.workspace import METRICS_FILE, PREDICTIONS_FILE

if TYPE_CHECKING:
    from ssgan_tf.training.trained import Trained


class PooledAnswers:
    """What the evaluations of the folds hold, one after the other, by the names that evaluators ask for.

    Attributes:
        temperature: what the logits are divided by.
        labels: int32 [N].
        folds: which fold each image was answered in, int32 [N].
        logits: float32 [N, K].
        class_names: K names.
        calibration_bins: bins of the calibration error.
        like_training: images that look the same as one that their model was trained on.
    """

    def __init__(
        self, config: EvaluateConfig, trained: Trained, evaluated: Sequence[Path], output: Path
    ) -> None:
        """Reads them and writes `predictions.npz`.

        Args:
            config: temperature and bins.
            trained: the model that was trained on all of them.
            evaluated: the evaluations' folders, in the order of the folds.
            output: gets the file.

        Raises:
            DataError: an evaluation is damaged, of another kind of model, or two have an image in common.
        """
        parts = [_read(folder) for folder in evaluated]
        self.temperature = config.temperature or 1.0
        self.calibration_bins = config.calibration_bins
        self.class_names = trained.record.class_names
        for folder, (metrics, _) in zip(evaluated, parts, strict=True):
            # not the steps: by default they follow from the number of training images
            theirs = (metrics["recipe"], tuple(metrics["per_class"]))
            if theirs != (trained.record.recipe, tuple(self.class_names)):
                raise DataError(
                    f"the evaluation in {str(folder)!r} is of {theirs[0]} with {len(theirs[1])} classes; "
                    f"the model of the whole draw is {trained.record.recipe} with {len(self.class_names)}, "
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
        self.folds = np.repeat(np.arange(len(parts), dtype=np.int32), sizes)
        self.labels, self.logits = together["labels"], together["logits"]
        self.like_training = sum(metrics["images_like_training"] for metrics, _ in parts)
        self._errors = [metrics["error"] for metrics, _ in parts]
        np.savez_compressed(output / PREDICTIONS_FILE, **together, folds=self.folds)

    @cached_property
    def probabilities(self) -> np.ndarray:
        """Class probabilities float64 [N, K] at the temperature."""
        from ssgan_tf.metrics.probabilities import softmax

        return softmax(self.logits, self.temperature)

    @property
    def summary(self) -> dict[str, Any]:
        """Number of folds, of images, and the error in each fold."""
        return {"folds": len(self._errors), "images": len(self.labels), "errors": self._errors}


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    try:
        metrics = json.loads((folder / METRICS_FILE).read_text())
        with np.load(folder / PREDICTIONS_FILE, allow_pickle=False) as stored:
            return metrics, dict(stored)
    except (OSError, ValueError) as error:
        raise DataError(
            f"the evaluation in {str(folder)!r} cannot be read: {error}. Run `ganpipe evaluate` again."
        ) from None
