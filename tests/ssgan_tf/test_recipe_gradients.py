"""Every trainable variable of every recipe is trained, and the loop says so when one is not."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ssgan_tf.networks.stack import Stack
from ssgan_tf.recipes.sgan import SGAN
from ssgan_tf.systems.recipe import DataSpec
from ssgan_tf.training.loop import Loop
from ssgan_tf.training.options import LoopOptions
from ssgan_tf.training.strategy import make_strategy
from tests.ssgan_tf.recipe_fixtures import (
    DOCUMENTED,
    DOCUMENTED_IDS,
    FORMS,
    IDS,
    batches_of,
    build,
    first_step,
)


@pytest.mark.parametrize(("recipe", "settings"), FORMS + DOCUMENTED, ids=IDS + DOCUMENTED_IDS)
def test_every_variable_gets_a_gradient(recipe, settings):
    system = build(recipe, **settings)
    networks = system.build_networks()
    batches = batches_of(system, recipe)
    system.initialise(networks, batches.first_images(64))
    seen = {}
    step = first_step()
    with step.entered():
        for update in system.updates():
            with tf.GradientTape(persistent=True) as tape:
                minimise = update(networks, batches.local(step), step).minimise
            for name, loss in minimise.items():
                assert np.isfinite(loss)
                variables = networks[name].trainable_variables
                for number, variable in enumerate(variables):
                    gradient = tape.gradient(loss, variable.value)
                    assert gradient is not None, variable.path
                    seen[name, number] = float(tf.reduce_max(tf.abs(gradient)))
    trained = {(n, i) for n, net in networks.items() for i in range(len(net.trainable_variables))}
    assert seen.keys() == trained
    assert min(seen.values()) > 0, seen


class SkippingStack(Stack):
    """The second convolution reads the input instead of the first one's output."""

    def call(self, inputs, training=False):
        self.body[0](inputs)
        x = inputs
        for layer in self.body[1:]:
            x = layer(x)
        return x


class SkippingSGAN(SGAN):
    def build_networks(self):
        networks = super().build_networks()
        layers = [keras.layers.Conv2D(4, 5, 2, "same") for _ in range(2)]
        layers += [keras.layers.Flatten(), keras.layers.Dense(1 + self.data.num_classes + 1)]
        networks["discriminator"] = SkippingStack(layers, name="discriminator", dtype="float32")
        networks["discriminator"](tf.zeros([1, self.side, self.side, 1]))
        return networks


def test_the_loop_refuses_a_layer_that_is_left_out(tmp_path):
    system = SkippingSGAN(build("sgan").settings, DataSpec((8, 8, 1), 10))
    batches = batches_of(system, "sgan")
    loop = Loop(system, batches, make_strategy("default"), LoopOptions(steps=1), seed=0, folder=tmp_path)
    with pytest.raises(ValueError, match="discriminator gets no gradient"):
        loop.run()
