"""How large one step's gradients are, and how far it moves the weights as a share of their length.

Both are looked at from outside of the step: the weights and Adam's mean gradient are copied before and
after it. So they cost a step nothing where they are not asked for, and are those of the global batch.
With decay b the mean gradient m becomes b m + (1 - b) g, which gives g.
"""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np

from ssgan_tf.adam import Adam
from ssgan_tf.systems.recipe import Networks


class Movement:
    """What is there before a step, to be compared with what is there after it.

    Args:
        networks: the trained networks.
        optimizers: theirs, by the same names.
    """

    def __init__(self, networks: Networks, optimizers: Mapping[str, keras.optimizers.Optimizer]) -> None:
        self._networks, self._optimizers = networks, {k: _inner(o) for k, o in optimizers.items()}
        self._weights = {name: _weights(networks[name]) for name in optimizers}
        self._means = {name: _means(optimizer) for name, optimizer in self._optimizers.items()}
        self._steps = {name: _steps(optimizer) for name, optimizer in self._optimizers.items()}

    def after(self) -> dict[str, float]:
        """Names and values of the step that was made since.

        `gradient_norm/NETWORK` is the Euclidean length of the gradient of all of a network's weights (Adam
        alone tells it), `update_to_weight/NETWORK` the length of the weights' change divided by the length
        that they had. A step that was left out (an overflow of half precision) gives nothing.
        """
        values = {}
        for name, optimizer in self._optimizers.items():
            if _steps(optimizer) != self._steps[name] + 1:
                continue
            if isinstance(optimizer, Adam):
                decay = float(optimizer.beta_1)
                pairs = zip(self._means[name], _means(optimizer), strict=True)
                gradient = [(now - decay * before) / (1.0 - decay) for before, now in pairs]
                values[f"gradient_norm/{name}"] = _length(gradient)
            before = self._weights[name]
            moved = [now - then for then, now in zip(before, _weights(self._networks[name]), strict=True)]
            if length := _length(before):
                values[f"update_to_weight/{name}"] = _length(moved) / length
        return values


def _inner(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    wrapped = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    return optimizer.inner_optimizer if wrapped else optimizer


def _weights(network: keras.Model) -> list[np.ndarray]:
    return [variable.value.numpy() for variable in network.trainable_variables]


def _means(optimizer: keras.optimizers.Optimizer) -> list[np.ndarray]:
    return [m.value.numpy() for m in optimizer._momentums] if isinstance(optimizer, Adam) else []


def _steps(optimizer: keras.optimizers.Optimizer) -> int:
    return int(optimizer.iterations.value.numpy())


def _length(parts: list[np.ndarray]) -> float:
    return float(np.sqrt(sum(float(np.vdot(part, part)) for part in parts)))
