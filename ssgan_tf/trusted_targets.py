"""What images are trained towards: their label, else a sure answer, else a guess."""

from __future__ import annotations

import tensorflow as tf

from ssgan_tf.networks.alignment import Alignment
from ssgan_tf.step_context import StepContext
from ssgan_tf.systems.recipe import Batch


def trusted_targets(
    alignment: Alignment,
    logits: tf.Tensor,
    images: Batch,
    *,
    prior: tf.Tensor | None,
    threshold: float,
    adaptive: bool,
    step: StepContext,
) -> tf.Tensor:
    """Classes that images are trained towards on their strong views.

    A given label stands before all; an answer that the network is sure of stands before a guess, as guesses
    are wrong where the network is not.

    Args:
        alignment: the running means.
        logits: on weak views of the images [B, K]; no gradient flows into them.
        images: their labels and guesses.
        prior: shares of the classes [K] that the answers are held to; None: they stay as they are.
        threshold: confidence from which an answer is sure.
        adaptive: whether the threshold is the running mean of the confidence, and `threshold` at most.
        step: averages over all replicas.

    Returns:
        int32 [B], -1 where there is nothing to train towards.
    """
    answers = alignment.aligned(tf.nn.softmax(tf.stop_gradient(logits)), prior, step)
    at_least: tf.Tensor | float = threshold
    if adaptive:
        at_least = tf.minimum(alignment.confidence(answers, step), threshold)
    sure = tf.reduce_max(answers, 1) >= at_least
    targets = tf.where(sure, tf.argmax(answers, 1, output_type=tf.int32), -1)
    if images.guess is not None:
        targets = tf.where(sure, targets, images.guess)
    return tf.where(images.label >= 0, images.label, targets)
