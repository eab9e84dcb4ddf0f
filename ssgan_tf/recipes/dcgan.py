"""DCGAN: convolutions with batch normalisation.

Settings:  train.preset=full data.dataset=idx:FOLDER
Cost:      20,000 steps of 128 images; about 0.06 GFLOP an image and step, 0.18 s a step on one core.
Expected:  after 3,000 steps digits of all ten classes (the rarest 4.5 %) of which an independent classifier
           is sure to 0.90.
Losses:    D, a logit; x real images, G(z) generated ones; E the mean over the batch
           D minimises  E softplus(-D(x)) + E softplus(D(G(z)))
           G minimises  E softplus(-D(G(z)))

Radford et al. 2016, "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
Networks", in a three-layer form. Adam's rate of 1e-3 is the documented one; the paper's is
`recipe.learning_rate=2e-4 recipe.beta_1=0.5`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from ssgan_tf import pixels
from ssgan_tf.adam import Adam
from ssgan_tf.declare import at_least, decay, positive, setting
from ssgan_tf.networks.convolutions import Conv2D, Conv2DTranspose
from ssgan_tf.networks.dcgan_pair import channels
from ssgan_tf.networks.layers import BatchNormalization, leaky_relu
from ssgan_tf.networks.stack import QUARTERABLE, Stack, quarterable_side
from ssgan_tf.step_context import StepContext
from ssgan_tf.systems.adversarial import AdversarialGame
from ssgan_tf.systems.recipe import DataSpec, Networks, Recipe, Reproduction


@dataclass(frozen=True)
class Settings:
    """Settings of `dcgan`; the defaults are the documented system."""

    image_size: int = setting(
        28,
        "side of the networks' images; 0: the smallest that holds the data's",
        QUARTERABLE,
    )
    width: float = setting(1.0, "multiplies the number of filters of every layer", positive())
    latent_size: int = setting(100, "numbers that the generator makes an image of", at_least(1))
    steps: int = setting(20_000, "training steps", at_least(1))
    batch_size: int = setting(128, "real images of a step, over all replicas", at_least(1))
    learning_rate: float = setting(1e-3, "Adam's learning rate, of both networks", positive())
    beta_1: float = setting(0.9, "Adam's decay of the mean gradient", decay())


class DCGAN(AdversarialGame):
    """The networks of `dcgan`; images in [-1, 1]."""

    grid_side = 4
    settings: Settings

    def __init__(self, settings: Settings, data: DataSpec, dtype: str = "float32") -> None:
        super().__init__(settings, data, dtype)
        self.side = quarterable_side(settings.image_size, data.image_shape)

    def build_networks(self) -> Networks:
        """Builds both; at 28x28 the generator's maps run 7x7x256, 14x14x128, 14x14x64, 28x28."""
        discriminator = Stack(
            [
                self._conv(32, use_bias=True, activation=leaky_relu(0.01)),
                *self._normalised(self._conv(64)),
                *self._normalised(self._conv(128)),
                keras.layers.Flatten(dtype=self.dtype),
                keras.layers.Dense(1, dtype="float32"),
            ],
            name="discriminator",
            dtype=self.dtype,
        )
        start, filters = self.side // 4, channels(self.settings.width, 256)
        generator = Stack(
            [
                keras.layers.Dense(start * start * filters, dtype=self.dtype),
                keras.layers.Reshape([start, start, filters], dtype=self.dtype),
                *self._normalised(self._deconv(channels(self.settings.width, 128), 2)),
                *self._normalised(self._deconv(channels(self.settings.width, 64), 1)),
                self._deconv(self.data.image_shape[2], 2, use_bias=True),
                keras.layers.Activation("tanh", dtype="float32"),
            ],
            name="generator",
            dtype=self.dtype,
        )
        discriminator(generator(tf.zeros([1, self.settings.latent_size])))
        return {"discriminator": discriminator, "generator": generator}

    def _conv(self, filters: int, *, use_bias: bool = False, **options: Any) -> keras.layers.Layer:
        count = channels(self.settings.width, filters)
        return Conv2D(count, 3, 2, "same", use_bias=use_bias, dtype=self.dtype, **options)

    def _deconv(self, filters: int, stride: int, *, use_bias: bool = False) -> keras.layers.Layer:
        return Conv2DTranspose(filters, 3, stride, "same", use_bias=use_bias, dtype=self.dtype)

    def _normalised(self, convolution: keras.layers.Layer) -> list[keras.layers.Layer]:
        # the convolution has no bias: normalisation would take it away again
        activation = keras.layers.Activation(leaky_relu(0.01), dtype=self.dtype)
        return [convolution, BatchNormalization(dtype=self.dtype), activation]

    def build_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """Adam for both networks."""
        s = self.settings
        return {name: Adam(s.learning_rate, beta_1=s.beta_1) for name in ("discriminator", "generator")}

    def scaled(self, images: tf.Tensor) -> tf.Tensor:
        """Images [B, S, S, C] in [-1, 1]."""
        return pixels.scale(images, -1.0, 1.0, self.side)

    def unscaled(self, outputs: tf.Tensor) -> tf.Tensor:
        """Images uint8 [B, S, S, C] of ones in [-1, 1]."""
        return pixels.unscale(outputs, -1.0, 1.0)

    def noise(self, step: StepContext, count: int) -> tf.Tensor:
        """z ~ N(0, I)."""
        return step.normal([count, self.settings.latent_size])

    def latent(self, count: int, seed: int) -> tf.Tensor:
        """Draws z ~ N(0, I)."""
        return tf.random.stateless_normal([count, self.settings.latent_size], [seed, 0])


RECIPE = Recipe(
    name="dcgan",
    settings=Settings,
    system=DCGAN,
    presets={
        "small": {
            "image_size": 0,
            "width": 0.5,
            "steps": 3000,
            "batch_size": 64,
            "learning_rate": 5e-4,
            "beta_1": 0.5,
        },
    },
    reproduction=Reproduction(
        settings={"data.dataset": "{mnist}", "train.preset": "full", "train.image_every": 1000},
        original="losses, the discriminator's accuracy and a 4x4 grid of samples every 1,000 steps",
    ),
)
