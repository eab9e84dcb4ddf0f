"""What the classifier's own answers are held against before they are trained on: their mean, and a prior.

Distribution alignment (Berthelot et al. 2020, "ReMixMatch", section 3.1): the answers on unlabelled images
are multiplied by the prior of the classes over the answers' running mean, and scaled to a sum of 1. A class
that the classifier begins to prefer loses ground before it is trained on.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from ssgan_tf.step_context import StepContext


class Alignment(keras.layers.Layer):
    """Running means of the answers and of the labels, [K] each, and of the answers' confidence.

    They are weights of the layer, so that a checkpoint holds them.

    Args:
        classes: K.
        momentum: of the means.
    """

    def __init__(self, classes: int, momentum: float = 0.99, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.momentum, self.classes = momentum, classes
        exact: dict[str, Any] = {
            "trainable": False,
            "aggregation": "only_first_replica",
            "dtype": "float32",
            "autocast": False,
            "initializer": keras.initializers.Constant(1.0 / classes),
        }
        self.mean_answer = self.add_weight(shape=(classes,), name="mean_answer", **exact)
        self.mean_label = self.add_weight(shape=(classes,), name="mean_label", **exact)
        self.mean_confidence = self.add_weight(shape=(), name="mean_confidence", **exact)
        self.built = True

    def labelled_shares(self, labels: tf.Tensor, step: StepContext) -> tf.Tensor:
        """Moves the mean of the labels by those of this replica, int32 [B], -1 where there is none.

        Returns:
            The shares of the classes, float32 [K].
        """
        counts = step.all_sum(tf.reduce_sum(tf.one_hot(labels, self.classes), 0))
        whole = tf.reduce_sum(counts)
        here = tf.where(whole > 0.0, counts / tf.maximum(whole, 1.0), self.mean_label)
        return self._moved(self.mean_label, here, step)

    def aligned(self, answers: tf.Tensor, prior: tf.Tensor | None, step: StepContext) -> tf.Tensor:
        """Moves the mean of the answers, and aligns them.

        Args:
            answers: class probabilities of this replica's images, float32 [B, K].
            prior: shares of the classes [K], which sum to 1; None: the answers stay as they are.
            step: averages over all replicas.
        """
        mean = self._moved(self.mean_answer, tf.reduce_mean(answers, 0), step)
        if prior is None:
            return answers
        # a class that is never answered must not be divided by zero
        weighed = answers * (prior / tf.maximum(mean, 1e-6))
        return weighed / tf.reduce_sum(weighed, 1, keepdims=True)

    def confidence(self, answers: tf.Tensor, step: StepContext) -> tf.Tensor:
        """Moves the mean of the answers' largest entries [B, K]; returns it, a scalar."""
        return self._moved(self.mean_confidence, tf.reduce_mean(tf.reduce_max(answers, 1)), step)

    def _moved(self, mean: Any, value: tf.Tensor, step: StepContext) -> tf.Tensor:
        # a plain mean over the first steps, so that nothing of the start stays
        rate = tf.maximum(1.0 - self.momentum, 1.0 / (tf.cast(step.step, tf.float32) + 1.0))
        moved = mean + (step.all_mean(tf.stop_gradient(value)) - mean) * rate
        mean.assign(moved)
        return moved
