"""Losses: pure functions on logits and features, each a scalar float32.

Where a loss needs the whole global batch (a masked mean, a mean of features), it takes the step's
`StepContext`; all others are means over the local batch, which the loop averages over replicas.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from ssgan_tf.step_context import StepContext


def sigmoid_cross_entropy(logits: tf.Tensor, target: float) -> tf.Tensor:
    """Mean sigmoid cross-entropy of logits [B, ...] against one constant target in [0, 1]."""
    logits = tf.cast(logits, tf.float32)
    labels = tf.fill(tf.shape(logits), tf.constant(target, tf.float32))
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits))


def masked_cross_entropy(logits: tf.Tensor, labels: tf.Tensor, step: StepContext) -> tf.Tensor:
    """Softmax cross-entropy over the labelled examples of the global batch, divided by their number.

    Args:
        logits: [B, K].
        labels: int [B], -1 where unlabelled.
        step: gives the count of labelled examples over all replicas.

    Returns:
        Scalar; 0 where the global batch holds no label.
    """
    mask = tf.cast(labels >= 0, tf.float32)
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=tf.maximum(labels, 0), logits=tf.cast(logits, tf.float32)
    )
    total = step.all_sum(tf.reduce_sum(mask * losses))
    count = step.all_sum(tf.reduce_sum(mask))
    return tf.math.divide_no_nan(total, count)


def trusted_cross_entropy(logits: tf.Tensor, targets: tf.Tensor, trusted: tf.Tensor) -> tf.Tensor:
    """Mean over all examples of `trusted` times the softmax cross-entropy against `targets`.

    The unlabelled loss of Sohn et al. 2020, "FixMatch", equation 4: it is divided by the number of all
    examples, so it grows as more of them are trusted.

    Args:
        logits: [B, K].
        targets: classes, int [B], from 0.
        trusted: float [B], 0 where an example is left out.
    """
    each = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=targets, logits=tf.cast(logits, tf.float32))
    return tf.reduce_mean(trusted * each)


def mutual_information(first: tf.Tensor, second: tf.Tensor, step: StepContext) -> tf.Tensor:
    """Mutual information, in nats, between the classes of two views of the global batch's images.

    Ji et al. 2019, "Invariant Information Clustering", equation 3: of the joint distribution that is the
    mean over the images of the outer product of the two answers, made symmetric.

    Args:
        first: logits of the first views [B, K].
        second: logits of the second views [B, K].
        step: averages over all replicas.
    """
    p, q = (tf.nn.softmax(tf.cast(logits, tf.float32)) for logits in (first, second))
    joint = step.all_mean(tf.matmul(p, q, transpose_a=True) / tf.cast(tf.shape(p)[0], tf.float32))
    joint = tf.maximum((joint + tf.transpose(joint)) / 2.0, 1e-8)
    log_marginal = tf.math.log(tf.reduce_sum(joint, 1))
    return tf.reduce_sum(joint * (tf.math.log(joint) - log_marginal[:, tf.newaxis] - log_marginal))


def feature_matching(real: tf.Tensor, fake: tf.Tensor, step: StepContext) -> tf.Tensor:
    """Mean over features of (global batch mean of real - global batch mean of fake) squared.

    Salimans et al. 2016, "Improved Techniques for Training GANs", section 3.1, with the mean over the
    features instead of their sum.

    Args:
        real: features of real images [B, F]; no gradient flows into them.
        fake: features of generated images [B, F].
        step: averages over all replicas.
    """
    real_mean = step.all_mean(tf.reduce_mean(tf.cast(real, tf.float32), 0))
    fake_mean = step.all_mean(tf.reduce_mean(tf.cast(fake, tf.float32), 0))
    return tf.reduce_mean(tf.math.squared_difference(tf.stop_gradient(real_mean), fake_mean))


def k_logit_real(class_logits: tf.Tensor) -> tf.Tensor:
    """Mean of softplus(-s) with s = logsumexp of the K class logits [B, K]; p(real) = sigmoid(s).

    Salimans et al. 2016, section 5: the fake logit is fixed at 0.
    """
    evidence = tf.reduce_logsumexp(tf.cast(class_logits, tf.float32), axis=-1)
    return tf.reduce_mean(tf.nn.softplus(-evidence))


def k_logit_fake(class_logits: tf.Tensor) -> tf.Tensor:
    """Mean of softplus(s) on generated images; see `k_logit_real`."""
    evidence = tf.reduce_logsumexp(tf.cast(class_logits, tf.float32), axis=-1)
    return tf.reduce_mean(tf.nn.softplus(evidence))


def gradient_penalty(discriminator: Callable[[tf.Tensor], tf.Tensor], images: tf.Tensor) -> tf.Tensor:
    """Mean over images of the squared norm of the gradient of their logit by their pixels.

    Mescheder et al. 2018, "Which Training Methods for GANs do actually Converge?", equation 9 on real
    images, without its factor gamma / 2.

    Args:
        discriminator: images [B, ...] to logits [B, 1], each of its own image alone (so without batch
            normalisation).
        images: float [B, ...].
    """
    with tf.GradientTape() as tape:
        tape.watch(images)
        total = tf.reduce_sum(tf.cast(discriminator(images), tf.float32))
    gradient = tape.gradient(total, images, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    squares = tf.math.square(tf.cast(gradient, tf.float32))
    return tf.reduce_sum(squares) / tf.cast(tf.shape(images)[0], tf.float32)


def masked_accuracy(logits: tf.Tensor, labels: tf.Tensor, step: StepContext) -> tf.Tensor:
    """Share of the labelled examples of the global batch whose largest logit is the label's."""
    mask = tf.cast(labels >= 0, tf.float32)
    hit = tf.cast(tf.equal(tf.argmax(logits, -1, output_type=tf.int32), labels), tf.float32)
    return tf.math.divide_no_nan(step.all_sum(tf.reduce_sum(mask * hit)), step.all_sum(tf.reduce_sum(mask)))


def real_fake_accuracy(real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
    """Mean of two shares: real images with a logit above 0, generated images with one below.

    Args:
        real_logits: [B, 1], where a large logit means real.
        fake_logits: [B, 1].
    """
    return (share(real_logits > 0.0) + share(fake_logits < 0.0)) / 2.0


def share(hits: tf.Tensor) -> tf.Tensor:
    """Share of a bool tensor that is true."""
    return tf.reduce_mean(tf.cast(hits, tf.float32))
