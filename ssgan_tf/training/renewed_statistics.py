"""Statistics of batch normalisation, measured anew after the last step ("precise" batch normalisation).

The moving statistics follow the last batches, which were made by weights that have moved on since. Wu and
Johnson (2021, "Rethinking 'Batch' in BatchNorm", section 3) hold the weights still and measure the statistics
of many batches; a thousand to ten thousand images suffice.

Here a layer's statistics are those of its input as evaluation makes it: images as they are (no random view,
no dropout, no noise), and the layers before it with their own new statistics. So the layers are measured one
after the other. The paper makes one pass, in which every layer normalises by its batch: the input of a later
layer then depends on how images fall into batches, and with dropout varies more than at inference ("variance
shift", Li et al. 2019). Measured this way each layer's output has mean beta and, but for epsilon, variance
gamma**2 over these images, and neither the size of batches nor the number of replicas reaches the result. It
takes as many passes as there are layers, each of which ends at its layer.

A variance is that of all values together, the paper's E[mu**2 + sigma**2] - E[mu]**2 over batches, computed
as E[sigma**2 + (mu - E[mu])**2], which is no difference of two large numbers. The mean of the batches'
variances alone would leave out how their means differ: too little, and the more so the smaller the batches.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ssgan_tf.networks.normalised_inputs import Seen, watched_inputs
from ssgan_tf.systems.recipe import Networks, System
from ssgan_tf.training.options import MOST_IMAGES

LARGEST_BATCH = 128

Moments = tuple[np.ndarray, np.ndarray]


class RenewedStatistics:
    """Measures the statistics of the classifier's batch normalisation anew, and sets them.

    The images are those that the system trains on: where all of its streams take labelled images only, as
    those of a supervised baseline do, the labelled ones, so that it still learns nothing from the others.

    Args:
        system: classifies.
        batches: gives the training images.
        networks: the systems' networks that get new statistics: the live and the averaged ones.

    Attributes:
        images: how many images are measured over.
        layers: for each of `networks`, the layers of batch normalisation that its class logits pass through,
            in order; none where the system has no classifier.
    """

    def __init__(self, system: System, batches: Any, networks: Sequence[Networks]) -> None:
        self._system, self._batches, self._networks = system, batches, list(networks)
        self._labelled_only = all(stream.labelled_only for stream in system.streams().values())
        self.images = min(MOST_IMAGES, batches.sample_size(self._labelled_only))
        self._batch = min(LARGEST_BATCH, system.settings.batch_size)
        self.layers: list[list[keras.layers.Layer]] = [[] for _ in self._networks]
        if system.classifier is not None:
            one = tf.zeros([1, *system.data.image_shape], tf.uint8)
            self.layers = [[layer for layer, _ in seen] for seen in self._inputs(one)]

    def variables(self) -> list[tf.Variable]:
        """All that `renew` sets, each float32 [C]."""
        return [
            variable.value
            for layers in self.layers
            for layer in layers
            for variable in (layer.moving_mean, layer.moving_variance)
        ]

    def renew(self) -> None:
        """Measures and sets; called in cross-replica context, by one process."""
        for number, layers in enumerate(zip(*self.layers, strict=True)):
            for layer, (mean, variance) in zip(layers, self._measured(number), strict=True):
                layer.moving_mean.value.assign(mean)
                layer.moving_variance.value.assign(variance)

    def _measured(self, number: int) -> list[Moments]:
        """Mean and variance float32 [C] of the input of each network's layer `number`."""

        # the graph ends at the layer: what comes after it is not run
        shape = [None, *self._system.data.image_shape]

        @tf.function(autograph=False, input_signature=[tf.TensorSpec(shape, tf.uint8)])
        def moments(images: tf.Tensor) -> list[tuple[tf.Tensor, tf.Tensor]]:
            return [_moments(seen[number][1]) for seen in self._inputs(images)]

        found: list[list[tuple[tf.Tensor, tf.Tensor]]] = []
        sizes: list[int] = []
        for first in range(0, self.images, self._batch):
            positions = tf.range(first, min(first + self._batch, self.images), dtype=tf.int64)
            found.append(moments(self._batches.sample(positions, self._labelled_only)))
            sizes.append(len(positions))
        return [
            together(sizes, [(mean.numpy(), variance.numpy()) for mean, variance in of_network])
            for of_network in zip(*found, strict=True)
        ]

    def _inputs(self, images: tf.Tensor) -> list[Seen]:
        """What batch normalisation gets in each of the networks where they classify the images."""
        seen = []
        for networks in self._networks:
            with watched_inputs() as inputs:
                self._system.class_logits(networks, images)
            seen.append(inputs)
        return seen


def together(sizes: Iterable[int], parts: Iterable[Moments]) -> Moments:
    """Mean and variance of all values, from those of its parts.

    Args:
        sizes: how many values each part has (or a number in proportion to that).
        parts: mean and variance [C] of each; the variance divided by the number of values.

    Returns:
        Mean and variance float32 [C], computed in float64; the variance divided by the number of values.
    """
    weights = np.array(list(sizes), np.float64)
    means, variances = (np.stack(each).astype(np.float64) for each in zip(*parts, strict=True))
    mean = np.average(means, axis=0, weights=weights)
    variance = np.average(variances + (means - mean) ** 2, axis=0, weights=weights)
    return mean.astype(np.float32), variance.astype(np.float32)


def _moments(inputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Mean and variance float32 [C] of [B, ..., C], whatever type it is of."""
    x = tf.cast(inputs, tf.float32)
    axes = list(range(x.shape.rank - 1))
    mean = tf.reduce_mean(x, axes)
    return mean, tf.reduce_mean(tf.math.squared_difference(x, mean), axes)
