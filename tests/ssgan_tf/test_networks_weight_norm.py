"""Weight normalisation: what V cannot change, and what the data sets at the start."""

import numpy as np
import tensorflow as tf

from ssgan_tf.networks.weight_norm import WeightNormClassifier, WeightNormDense
from tests.ssgan_tf.recipe_fixtures import first_step


def random_inputs(shape, seed=0):
    return tf.constant(np.random.default_rng(seed).normal(1.0, 3.0, shape), tf.float32)


def test_outputs_on_the_data_have_mean_0_and_variance_1():
    layer, inputs = WeightNormDense(6), random_inputs([400, 20])
    layer(inputs)
    returned = layer.initialise(inputs)
    out = layer(inputs)
    np.testing.assert_allclose(tf.reduce_mean(out, 0), 0.0, atol=1e-4)
    np.testing.assert_allclose(tf.math.reduce_std(out, 0), 1.0, atol=1e-4)
    np.testing.assert_allclose(out, returned, atol=1e-4)


def test_the_length_of_a_direction_does_not_matter():
    layer, inputs = WeightNormDense(6), random_inputs([4, 20])
    before = layer(inputs)
    layer.direction.assign(layer.direction * 7.0)
    np.testing.assert_allclose(layer(inputs), before, rtol=1e-5, atol=1e-5)
    layer.scale.assign(layer.scale * 2.0)
    # an output near zero is a difference of larger ones
    np.testing.assert_allclose(layer(inputs), before * 2.0, rtol=1e-5, atol=1e-5)


def test_scales_are_fixed_but_for_the_head():
    network = WeightNormClassifier(widths=(8, 6), units=3, dtype="float32")
    network(tf.zeros([1, 4, 4, 1]))
    trained = [variable.path for variable in network.trainable_variables if variable.name == "scale"]
    assert len(trained) == 1
    assert network.head.scale.trainable


def test_the_classifier_is_initialised_with_its_noise():
    images = tf.constant(np.random.default_rng(0).random([500, 8, 8, 1]), tf.float32)
    network = WeightNormClassifier(widths=(50, 40), units=3, dtype="float32")
    network(images)
    network.initialise(images)
    with first_step().entered():
        logits = network(images, training=True).logits
    # another draw of the noise, so not exactly 0 and 1
    np.testing.assert_allclose(tf.reduce_mean(logits, 0), 0.0, atol=0.2)
    np.testing.assert_allclose(tf.math.reduce_std(logits, 0), 1.0, atol=0.2)


def test_initialising_twice_gives_the_same_network():
    images = tf.constant(np.random.default_rng(0).random([100, 8, 8, 1]), tf.float32)
    network = WeightNormClassifier(widths=(10, 8), units=3, dtype="float32")
    network(images)
    network.initialise(images)
    first = [variable.numpy() for variable in network.variables]
    network.initialise(images)
    for before, variable in zip(first, network.variables, strict=True):
        np.testing.assert_allclose(variable.numpy(), before, rtol=1e-4, atol=1e-5)


def test_features_are_the_last_hidden_layer():
    network = WeightNormClassifier(widths=(10, 8), units=3, dtype="float32")
    outputs = network(tf.ones([2, 4, 4, 1]))
    assert outputs.features.shape == (2, 8) and outputs.logits.shape == (2, 3)
    assert float(tf.reduce_min(outputs.features)) >= 0.0


def test_half_precision_computes_in_half_and_keeps_float32():
    layer = WeightNormDense(6, dtype="mixed_bfloat16")
    out = layer(random_inputs([4, 20]))
    assert out.dtype == tf.bfloat16
    assert {variable.dtype for variable in layer.variables} == {"float32"}
