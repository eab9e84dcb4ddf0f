"""Dropout, leaky ReLU and Adam against what they stand for."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ssgan_tf.adam import Adam
from ssgan_tf.networks.layers import Dropout, leaky_relu
from ssgan_tf.step_context import StepContext


def dropped(rate, shape, seed=0, step=0, times=1):
    layer = Dropout(rate)
    with StepContext(seed, tf.constant(step, tf.int64)).entered():
        return [layer(tf.ones(shape), training=True).numpy() for _ in range(times)]


@pytest.mark.parametrize("rate", [0.3, 0.5, 0.9])
def test_dropout_drops_its_share_and_keeps_the_mean(rate):
    (out,) = dropped(rate, [64, 4001])
    kept = out > 0
    assert abs((1 - kept.mean()) - rate) < 0.004
    assert abs(out.mean() - 1.0) < 0.02
    assert len(np.unique(out)) == 2


def test_dropout_depends_on_seed_step_and_place_only():
    first, second = dropped(0.5, [8, 33], times=2)
    again, _ = dropped(0.5, [8, 33], times=2)
    np.testing.assert_array_equal(first, again)
    for other in (second, dropped(0.5, [8, 33], step=1)[0], dropped(0.5, [8, 33], seed=1)[0]):
        assert 0.3 < (first == other).mean() < 0.7


def test_neighbouring_bytes_of_a_word_are_independent():
    (out,) = dropped(0.5, [256, 4096])
    kept = (out > 0).reshape(-1, 4).astype(float)
    correlations = np.corrcoef(kept.T) - np.eye(4)
    assert np.abs(correlations).max() < 0.01


def test_dropout_of_zero_and_outside_of_training_changes_nothing():
    images = tf.random.stateless_normal([4, 5], [1, 2])
    assert Dropout(0.5)(images) is images
    with StepContext(0, tf.constant(0, tf.int64)).entered():
        assert Dropout(0.0)(images, training=True) is images


def test_leaky_relu_has_the_gradient_of_tensorflows():
    x = tf.random.stateless_normal([50, 20], [1, 2])
    weights = tf.random.stateless_normal([50, 20], [3, 4])
    results = []
    for function in (leaky_relu(0.2), lambda x: tf.nn.leaky_relu(x, 0.2)):
        with tf.GradientTape() as tape:
            tape.watch(x)
            out = function(x)
            total = tf.reduce_sum(out * weights)
        results.append((out, tape.gradient(total, x)))
    for mine, right in zip(*results, strict=True):
        np.testing.assert_array_equal(mine, right)


def test_adam_is_keras_adam():
    start = tf.random.stateless_normal([40, 30], [1, 2])
    variables = [keras.Variable(start), keras.Variable(start)]
    optimizers = [make(0.01, beta_1=0.5, beta_2=0.9, epsilon=1e-4) for make in (Adam, keras.optimizers.Adam)]
    for step in range(30):
        gradient = tf.random.stateless_normal([40, 30], [step, 3]) * 10.0 ** -(step % 5)
        for optimizer, variable in zip(optimizers, variables, strict=True):
            optimizer.apply([gradient], [variable])
    moved = np.abs(variables[1].numpy() - start.numpy()).max()
    np.testing.assert_allclose(variables[0].numpy(), variables[1].numpy(), atol=1e-5 * moved)
    for mine, right in zip(*(optimizer.variables for optimizer in optimizers), strict=True):
        np.testing.assert_allclose(mine.numpy(), right.numpy(), rtol=1e-4, atol=1e-6)


def test_adam_refuses_amsgrad():
    with pytest.raises(ValueError, match="amsgrad"):
        Adam(amsgrad=True)
