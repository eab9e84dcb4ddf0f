"""An independent classifier that looks at generated images: the judge.

It shares nothing with the evaluated system: a small convolutional network, trained here on labelled real
images. What it says of generated images is only as good as it is, so its error on images that it was not
trained on comes with it.

Its cost is bounded: it sees images of at most 32 pixels a side (`reduced`), for at most 1,500 steps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from ssgan_tf import pixels
from ssgan_tf.metrics.probabilities import softmax

LARGEST_SIDE = 32
STEPS = 1500
FEWEST_STEPS = 300
EPOCHS = 100
BATCH = 64
HELD_OUT_EVERY = 10
IMAGE_LIMIT = 20_000
FEWEST_IMAGES = 20


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
        logits = np.concatenate([part[0].numpy() for part in parts])
        return softmax(logits).astype(np.float32), np.concatenate([part[1].numpy() for part in parts])


def reduced(images: np.ndarray) -> np.ndarray:
    """Brings uint8 [N, H, W, C] to at most 32 pixels a side, antialiased; small ones stay as they are."""
    largest = max(images.shape[1:3])
    if largest <= LARGEST_SIDE:
        return images
    height, width = (max(1, round(side * LARGEST_SIDE / largest)) for side in images.shape[1:3])
    small = pixels.resize_known(tf.cast(images, tf.float32), height, width)
    return tf.cast(tf.clip_by_value(tf.round(small), 0.0, 255.0), tf.uint8).numpy()


def judge_steps(labels: np.ndarray) -> int:
    """Training steps of a judge: 100 epochs, at least 300 steps and at most 1,500.

    Args:
        labels: int [N], -1 where unknown.

    Returns:
        The number; 0 where fewer than two classes or 20 labelled images are there.
    """
    known = _known(labels)
    if not len(known):
        return 0
    training = len(known) - len(known[::HELD_OUT_EVERY])
    return min(STEPS, max(FEWEST_STEPS, -(-EPOCHS * training // BATCH)))


def _known(labels: np.ndarray) -> np.ndarray:
    """Positions of the labelled images that count; none where they are too few or of one class."""
    known = np.flatnonzero(labels >= 0)[:IMAGE_LIMIT]
    enough = len(known) >= FEWEST_IMAGES and len(np.unique(labels[known])) >= 2
    return known if enough else known[:0]


def train_judge(
    images: np.ndarray,
    labels: np.ndarray,
    classes: int,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> Judge | None:
    """Trains a judge in batches of 64 images, every tenth image held out.

    Args:
        images: real images uint8 [N, H, W, C], `reduced`; the first 20,000 labelled ones count.
        labels: int [N], -1 where unknown.
        classes: K.
        seed: of weights and order; the same arguments give the same judge on the same machine.
        progress: called after each step with the number of steps done, of `judge_steps(labels)`.

    Returns:
        The judge, or None where fewer than two classes or 20 labelled images are there.
    """
    known = _known(labels)
    if not len(known):
        return None
    order = np.random.default_rng(seed).permutation(known)
    held_out = order[::HELD_OUT_EVERY]
    training = np.setdiff1d(order, held_out)
    steps = judge_steps(labels)
    keras.utils.set_random_seed(seed)
    network = _network(images.shape[1:], classes)
    trained = keras.Model(network.inputs, network.outputs[0])
    trained.compile(keras.optimizers.Adam(1e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    draws = np.random.default_rng(seed + 1)
    epochs = -(-steps * BATCH // len(training))
    rows = np.concatenate([draws.permutation(training) for _ in range(epochs)])[: steps * BATCH]
    pool, truth = tf.constant(images), tf.constant(labels)
    batches = tf.data.Dataset.from_tensor_slices(rows).batch(BATCH)
    # one epoch in the order drawn above
    trained.fit(
        batches.map(lambda index: (tf.gather(pool, index), tf.gather(truth, index))),
        shuffle=False,
        verbose=0,
        callbacks=[_Progress(progress)] if progress else None,
    )
    judge = Judge(network, float("nan"), len(training))
    probabilities, _ = judge.look(images[held_out])
    error = float((probabilities.argmax(axis=1) != labels[held_out]).mean())
    return Judge(network, error, len(training))


class _Progress(keras.callbacks.Callback):
    def __init__(self, say: Callable[[int], None]) -> None:
        super().__init__()
        self.say = say

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        self.say(batch + 1)


def _network(shape: tuple[int, ...], classes: int) -> keras.Model:
    inputs = keras.Input(shape, dtype="uint8")
    x = keras.layers.Rescaling(1 / 255)(inputs)
    for filters in (32, 64):
        x = keras.layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        x = keras.layers.MaxPooling2D(padding="same")(x)
    features = keras.layers.Dense(128, activation="relu")(keras.layers.Flatten()(x))
    return keras.Model(inputs, [keras.layers.Dense(classes)(features), features])
