"""The plain GAN on flat images, watched in TensorBoard.

Settings:  train.preset=documented data.dataset=idx:FOLDER
Cost:      10,000 steps of 128 images, half a minute on two cores.
Expected:  with `full` digits of all ten classes by an independent classifier, the rarest with 6 to 8 % of the
           samples, 4 to 7 % of the class mass missing. With `documented` one run had losses of 0.44 and 3.2
           in the end, the rarest digit with 0.35 % of the samples, 47 % of the class mass missing.
Losses:    D, a logit; x real images, G(z) generated ones; E the mean over the batch
           D minimises  E softplus(-D(x)) + E softplus(D(G(z)))
                        + gradient_penalty / 2 E |dD(x)/dx|^2
           G minimises  E softplus(-D(G(z)))

Goodfellow et al. 2014, "Generative Adversarial Networks", with dense networks. In the documented form the
discriminator is ahead for thousands of steps. Letting the generator keep up (rates 1e-3 and 2e-3, betas 0.5
and 0.9) still left 20 % of the class mass missing. What cures it is the penalty on the discriminator's
gradient at real images (Mescheder et al. 2018), which also bears four times the rates: Fréchet distance 19
instead of 40.

How the presets differ from the document and from each other ("=": as in the column to the left):

| what              | document                 | documented           | full, small            |
|-------------------|--------------------------|----------------------|------------------------|
| Adam's rates      | 1e-3                     | =                    | D 4e-3, G 8e-3 (1)     |
| Adam's betas      | not named                | its usual 0.9, 0.999 | 0.5, 0.9 (1)           |
| gradient penalty  | none                     | =                    | gamma 1 (1)            |
| weights looked at | the last                 | =                    | average (2)            |
| histograms        | every 100 steps          | =                    | every 500 steps        |
| grid of samples   | every 1,000 steps from 0 | =                    | every 500 steps from 0 |
| losses printed    | every 1,000 steps        | every 10 seconds     | =                      |

(1) So that all digits are drawn, see above. (2) Decay 0.999: steadier than the last weights.

The document says nothing of the biases (they start at 0), of Adam's epsilon (here 1e-7) and of the two
updates' noise (each draws its own). The losses of every step are in TensorBoard, and so is the graph of
both networks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import keras
import tensorflow as tf

from ssgan_tf import losses, pixels
from ssgan_tf.adam import Adam
from ssgan_tf.declare import at_least, decay, not_negative, positive, setting
from ssgan_tf.networks.stack import Stack
from ssgan_tf.step_context import StepContext
from ssgan_tf.systems.adversarial import AdversarialGame
from ssgan_tf.systems.recipe import Networks, Recipe, Reproduction


@dataclass(frozen=True)
class Settings:
    """Settings of `gan`; the defaults are `full` and `small`, with rates and a penalty of ours."""

    hidden: int = setting(128, "units of the hidden layer of either network", at_least(1))
    latent_size: int = setting(100, "numbers that the generator makes an image of", at_least(1))
    steps: int = setting(10_000, "training steps", at_least(1))
    batch_size: int = setting(128, "real images of a step, over all replicas", at_least(1))
    learning_rate: float = setting(4e-3, "Adam's learning rate, of the discriminator", positive())
    generator_rate: float = setting(8e-3, "Adam's learning rate, of the generator", positive())
    beta_1: float = setting(0.5, "Adam's decay of the mean gradient", decay())
    beta_2: float = setting(0.9, "Adam's decay of the mean squared gradient", decay())
    gradient_penalty: float = setting(
        1.0,
        "gamma of the penalty on the discriminator's gradient at real images; 0: none",
        not_negative(),
    )


class GAN(AdversarialGame):
    """The networks of `gan`; images flat, in [0, 1]."""

    grid_side = 4
    settings: Settings

    def build_networks(self) -> Networks:
        """Discriminator: dense 128 ReLU, dense 1. Generator: dense 128 ReLU, dense H*W*C sigmoid."""
        hidden = self.settings.hidden
        discriminator = Stack(
            [self._dense(hidden, "relu"), self._dense(1)], name="discriminator", dtype=self.dtype
        )
        # the sigmoid in float32: in half precision its gradient vanishes early
        generator = Stack(
            [
                self._dense(hidden, "relu"),
                self._dense(math.prod(self.data.image_shape)),
                keras.layers.Activation("sigmoid", dtype="float32"),
            ],
            name="generator",
            dtype=self.dtype,
        )
        discriminator(generator(tf.zeros([1, self.settings.latent_size])))
        return {"discriminator": discriminator, "generator": generator}

    def _dense(self, units: int, activation: str | None = None) -> keras.layers.Layer:
        # normal with deviation 1 / sqrt(fan_in / 2)
        normal = keras.initializers.VarianceScaling(2.0, "fan_in", "untruncated_normal")
        return keras.layers.Dense(units, activation, kernel_initializer=normal, dtype=self.dtype)

    def build_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """Adam for both networks."""
        s = self.settings
        rates = {"discriminator": s.learning_rate, "generator": s.generator_rate}
        return {name: Adam(rate, beta_1=s.beta_1, beta_2=s.beta_2) for name, rate in rates.items()}

    def scaled(self, images: tf.Tensor) -> tf.Tensor:
        """Flat images [B, H*W*C] in [0, 1]."""
        return tf.reshape(pixels.scale(images, 0.0, 1.0), [-1, math.prod(self.data.image_shape)])

    def unscaled(self, outputs: tf.Tensor) -> tf.Tensor:
        """Record images of flat ones in [0, 1]."""
        return pixels.unscale(tf.reshape(outputs, [-1, *self.data.image_shape]), 0.0, 1.0)

    def penalties(self, networks: Networks, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """The gradient penalty, unless its weight is 0."""
        gamma = self.settings.gradient_penalty
        if not gamma:
            return {}
        penalty = losses.gradient_penalty(networks["discriminator"], images)
        return {"discriminator/gradient_penalty": gamma / 2.0 * penalty}

    def noise(self, step: StepContext, count: int) -> tf.Tensor:
        """z ~ U(-1, 1)."""
        return step.uniform([count, self.settings.latent_size], -1.0, 1.0)

    def latent(self, count: int, seed: int) -> tf.Tensor:
        """Draws z ~ U(-1, 1)."""
        return tf.random.stateless_uniform([count, self.settings.latent_size], [seed, 0], -1.0, 1.0)


RECIPE = Recipe(
    name="gan",
    settings=Settings,
    system=GAN,
    presets={
        "documented": {
            "learning_rate": 1e-3,
            "generator_rate": 1e-3,
            "beta_1": 0.9,
            "beta_2": 0.999,
            "gradient_penalty": 0.0,
        },
        "small": {},
    },
    loop={"documented": {"average_decay": 0.0, "histogram_every": 100, "image_every": 1000}},
    reproduction=Reproduction(
        settings={"data.dataset": "{mnist}", "train.preset": "documented"},
        original="losses of 0.04 to 0.5 (discriminator) and 9 down to 3.6 (generator); a 4x4 grid of samples",
    ),
)
