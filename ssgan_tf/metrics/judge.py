"""An independent classifier that looks at generated images: the judge.

It shares nothing with the evaluated system: a small convolutional network, trained here on labelled real
images. What it says of generated images is only as good as it is, so its error on images that it was not
trained on comes with it.
"""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

STEPS = 1500
BATCH = 64
HELD_OUT_EVERY = 10
IMAGE_LIMIT = 20_000


@dataclass(frozen=True)
class Judge:
    """A trained judge.

    Attributes:
        error: share of held-out images it gets wrong, a fraction.
        images: number of images it was trained on.
    """

    network: keras.Model
    error: float
    images: int

    def look(self, images: np.ndarray, batch: int = 500) -> tuple[np.ndarray, np.ndarray]:
        """Returns probabilities float32 [N, K] and features float32 [N, 128] of uint8 [N, H, W, C]."""
        parts = [self.network(images[i : i + batch], training=False) for i in range(0, len(images), batch)]
        logits = np.concatenate([part[0].numpy() for part in parts]).astype(np.float64)
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
        return probabilities.astype(np.float32), np.concatenate([part[1].numpy() for part in parts])


def train_judge(images: np.ndarray, labels: np.ndarray, classes: int, seed: int = 0) -> Judge | None:
    """Trains a judge: 1,500 steps of 64 images, every tenth image held out.

    Args:
        images: real images uint8 [N, H, W, C]; the first 20,000 labelled ones count.
        labels: int [N], -1 where unknown.
        classes: K.
        seed: of weights and order; the same arguments give the same judge on the same machine.

    Returns:
        The judge, or None where fewer than two classes or 20 labelled images are there.
    """
    known = np.flatnonzero(labels >= 0)[:IMAGE_LIMIT]
    if len(known) < 20 or len(np.unique(labels[known])) < 2:
        return None
    order = np.random.default_rng(seed).permutation(known)
    held_out = order[::HELD_OUT_EVERY]
    training = np.setdiff1d(order, held_out)
    keras.utils.set_random_seed(seed)
    network = _network(images.shape[1:], classes)
    trained = keras.Model(network.inputs, network.outputs[0])
    trained.compile(keras.optimizers.Adam(1e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    draws = np.random.default_rng(seed + 1)
    epochs = -(-STEPS * BATCH // len(training))
    rows = np.concatenate([draws.permutation(training) for _ in range(epochs)])[: STEPS * BATCH]
    pool, truth = tf.constant(images), tf.constant(labels)
    batches = tf.data.Dataset.from_tensor_slices(rows).batch(BATCH)
    # one epoch in the order drawn above
    trained.fit(
        batches.map(lambda index: (tf.gather(pool, index), tf.gather(truth, index))), shuffle=False, verbose=0
    )
    judge = Judge(network, float("nan"), len(training))
    probabilities, _ = judge.look(images[held_out])
    error = float((probabilities.argmax(axis=1) != labels[held_out]).mean())
    return Judge(network, error, len(training))


def _network(shape: tuple[int, ...], classes: int) -> keras.Model:
    inputs = keras.Input(shape, dtype="uint8")
    x = keras.layers.Rescaling(1 / 255)(inputs)
    for filters in (32, 64):
        x = keras.layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        x = keras.layers.MaxPooling2D(padding="same")(x)
    features = keras.layers.Dense(128, activation="relu")(keras.layers.Flatten()(x))
    return keras.Model(inputs, [keras.layers.Dense(classes)(features), features])
