"""What the evaluators of a classification need: the model's answers on the held-out split."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.stages.evaluate.contents import Contents
from pipeline.stages.evaluate.settings import EvaluateConfig
from pipeline.terminal import Terminal
from pipeline.workspace import PREDICTIONS_FILE

if TYPE_CHECKING:
    from ssgan_tf.records import Split
    from ssgan_tf.training.trained import Trained


class ClassificationInputs:
    """Labels, probabilities and what belongs to them, by the names that evaluators ask for.

    Attributes:
        temperature: what the logits are divided by.
        labels: int32 [N].
        folds: None: one model answered all of them.
        class_names: K names.
        calibration_bins: bins of the calibration error.
    """

    def __init__(
        self,
        config: EvaluateConfig,
        trained: Trained,
        split: Split,
        contents: Contents,
        output: Path,
        terminal: Terminal,
    ) -> None:
        self._config, self._trained, self._split, self._contents = config, trained, split, contents
        self._output, self._terminal = output, terminal
        self.temperature = config.temperature or 1.0
        self.labels = split.labels
        self.folds = None
        self.class_names = trained.record.class_names
        self.calibration_bins = config.calibration_bins

    @cached_property
    def logits(self) -> np.ndarray:
        """Class logits float32 [N, K]; writes `predictions.npz`."""
        import tensorflow as tf

        trained, images = self._trained, self._split.images

        @tf.function(reduce_retracing=True, autograph=False)
        def outputs(batch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return (
                trained.system.class_logits(trained.networks, batch),
                trained.system.real_score(trained.networks, batch),
            )

        logits, scores = [], []
        with self._terminal.progress(f"evaluate {trained.record.recipe}", len(images)) as progress:
            for start in range(0, len(images), self._config.batch_size):
                batch = images[start : start + self._config.batch_size]
                batch_logits, batch_scores = outputs(tf.constant(batch))
                logits.append(batch_logits.numpy())
                scores.append(batch_scores.numpy())
                progress.update(start + len(batch))
        found = np.concatenate(logits).astype(np.float32)
        np.savez_compressed(
            self._output / PREDICTIONS_FILE,
            keys=np.array(self._split.keys),
            digests=self._contents.digests,
            labels=self.labels,
            logits=found,
            real_scores=np.concatenate(scores).astype(np.float32),
        )
        return found

    @cached_property
    def probabilities(self) -> np.ndarray:
        """Class probabilities float64 [N, K] at the temperature."""
        from ssgan_tf.metrics.probabilities import softmax

        return softmax(self.logits, self.temperature)
