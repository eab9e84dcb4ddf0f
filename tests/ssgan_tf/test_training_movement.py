"""Gradient norms and the lengths of updates, against gradients that are known."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ssgan_tf.adam import Adam
from ssgan_tf.training.movement import Movement


@pytest.mark.parametrize("half", [False, True])
def test_norms_are_those_of_the_step(half):
    network = keras.Sequential([keras.layers.Input([3]), keras.layers.Dense(2)])
    optimizer = Adam(0.1, beta_1=0.5)
    if half:
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=4.0)
    optimizer.build(network.trainable_variables)
    for step in range(3):
        gradients = [tf.random.stateless_normal(v.shape, [step, 1]) for v in network.trainable_variables]
        before = np.concatenate([v.numpy().ravel() for v in network.trainable_variables])
        movement = Movement({"a": network}, {"a": optimizer})
        optimizer.apply([g * 4.0 for g in gradients] if half else gradients, network.trainable_variables)
        values = movement.after()
        after = np.concatenate([v.numpy().ravel() for v in network.trainable_variables])
        assert values == {
            "gradient_norm/a": pytest.approx(float(tf.linalg.global_norm(gradients)), rel=1e-5),
            "update_to_weight/a": pytest.approx(
                np.linalg.norm(after - before) / np.linalg.norm(before), rel=1e-5
            ),
        }
    # an overflow: no update
    if half:
        movement = Movement({"a": network}, {"a": optimizer})
        optimizer.apply([g * np.inf for g in gradients], network.trainable_variables)
        assert movement.after() == {}
