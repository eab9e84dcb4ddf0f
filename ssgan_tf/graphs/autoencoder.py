"""A small variational autoencoder: what images look like in few numbers, learned without labels.

Its codes are what neighbours are looked for among: between two digits of one class lie other digits of it,
and noise of single pixels is gone.
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from ssgan_tf.adam import Adam

HIDDEN = 400
CODE = 20
STEPS = 2500
BATCH = 256
RATE = 1e-3


def learn_codes(vectors: np.ndarray, seed: int, steps: int = STEPS) -> np.ndarray:
    """Trains an autoencoder on all vectors, and gives each one's code.

    Kingma and Welling 2014, "Auto-Encoding Variational Bayes", with a Bernoulli likelihood; two layers of
    400 rectified units on both sides. The same vectors and seed give the same codes on one machine.

    Args:
        vectors: [N, D] in [0, 1].
        seed: of weights, order and noise.
        steps: of 256 vectors each (or of all, where there are fewer).

    Returns:
        The mean codes, float32 [N, 20].
    """
    count, size = vectors.shape
    batch = min(BATCH, count)
    encoder, decoder = _dense(size, 2 * CODE, seed), _dense(CODE, size, seed + 1)
    variables = encoder.trainable_variables + decoder.trainable_variables
    optimizer = Adam(RATE)
    optimizer.build(variables)

    @tf.function
    def train(x: tf.Tensor, step: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            mean, spread = tf.split(encoder(x), 2, axis=1)
            noise = tf.random.stateless_normal([batch, CODE], tf.stack([tf.constant(seed, tf.int64), step]))
            drawn = decoder(mean + tf.exp(spread / 2.0) * noise)
            error = tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=drawn)
            divergence = 0.5 * (mean**2 + tf.exp(spread) - 1.0 - spread)
            loss = tf.reduce_mean(tf.reduce_sum(error, 1) + tf.reduce_sum(divergence, 1))
        optimizer.apply(tape.gradient(loss, variables), variables)

    random = np.random.default_rng(seed)
    for step in range(steps):
        rows = random.integers(0, count, batch)
        train(tf.constant(vectors[rows], tf.float32), tf.constant(step, tf.int64))
    codes = [encoder(vectors[i : i + 4096].astype(np.float32))[:, :CODE] for i in range(0, count, 4096)]
    return np.concatenate(codes)


def _dense(inputs: int, outputs: int, seed: int) -> keras.Model:
    layers = [
        keras.layers.Dense(
            units, activation, kernel_initializer=keras.initializers.GlorotUniform(seed * 10 + i)
        )
        for i, (units, activation) in enumerate([(HIDDEN, "relu"), (HIDDEN, "relu"), (outputs, None)])
    ]
    network = keras.Sequential([keras.Input([inputs]), *layers])
    return network
