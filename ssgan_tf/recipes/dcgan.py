"""DCGAN: convolutions with batch normalisation.

Settings:  train.preset=documented data.dataset=idx:FOLDER
Cost:      20,000 steps of 128 images. With `full` about 0.06 GFLOP an image and step, 0.18 s a step on one
           core. The documented discriminator takes 37 million multiplications an image, that of `full` 2.
Expected:  with `full` after 3,000 steps digits of all ten classes (the rarest 4.5 %) of which an independent
           classifier is sure to 0.90.
Losses:    D, a logit; x real images, G(z) generated ones; E the mean over the batch
           D minimises  E softplus(-D(x)) + E softplus(D(G(z)))
           G minimises  E softplus(-D(G(z)))

Radford et al. 2016, "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
Networks", in a three-layer form. Adam's rate of 1e-3 is the documented one; the paper's is
`recipe.learning_rate=2e-4 recipe.beta_1=0.5`. The document's text and its listing differ: `recipe.form`
chooses.

At 28x28, with kernel, stride and filters, BN for batch normalisation and lReLU of slope a:

- text: the discriminator conv 5 1 64 same, lReLU; conv 5 2 128 valid, BN, lReLU, twice; flatten; dense 1;
  the generator dense 7*7*256, reshape; deconv 3 2 128, BN, lReLU; deconv 3 1 64, BN, lReLU; deconv 3 2 1,
  tanh, all same;
- listing: the discriminator conv 5 1 64 same, lReLU; conv 5 2 128 valid, lReLU; conv 5 2 128 valid;
  flatten; dense 1024, lReLU; dense 1; the generator dense 7*7*128, lReLU, BN, lReLU, reshape; deconv 3 2
  64, lReLU; deconv 3 2 1, tanh, both same;
- compact: the discriminator conv 3 2 32, lReLU; conv 3 2 64, BN, lReLU; conv 3 2 128, BN, lReLU; flatten;
  dense 1; the generator that of the text.

How the presets differ from the document and from each other ("=": as in the column to the left):

| what                 | document            | documented     | full            | small                   |
|----------------------|---------------------|----------------|-----------------|-------------------------|
| form                 | text, or listing    | text (1)       | compact (2)     | =                       |
| slope a              | 0.3                 | =              | 0.01            | =                       |
| updates of D         | real, then fake     | =              | one on both (2) | =                       |
| weights looked at    | the last            | =              | average (3)     | =                       |
| grid of samples      | every 1,000 steps   | =, from step 0 | every 500 steps | =                       |
| accuracy             | in percent          | = (4)          | =               | =                       |
| size, filters, batch | 28x28, all, 128     | =              | =               | the data's, 1/2, 64 (2) |
| Adam                 | 1e-3                | =, beta_1 0.9  | =               | 5e-4, beta_1 0.5 (2)    |
| steps                | 20,000              | =              | =               | 3,000 (2)               |
| samples drawn with   | in training (fault) | last weights   | average (3)     | =                       |

(1) The listing lacks the batch normalisation that the text wants (a fault): `recipe.form=listing`. (2)
Cheaper. (3) Decay 0.999: steadier than the last weights. (4) While training and in `losses.png`; a share in
TensorBoard.

The document says nothing of initial weights (Glorot and Bengio's uniform ones), batch normalisation
(momentum 0.9, epsilon 1e-5) and Adam's epsilon (1e-7). A convolution before batch normalisation has no
bias, which normalisation would take away again; all other layers have one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from ssgan_tf import losses, pixels
from ssgan_tf.adam import Adam
from ssgan_tf.declare import at_least, between, decay, one_of, positive, setting
from ssgan_tf.errors import UsageError
from ssgan_tf.networks.convolutions import Conv2D, Conv2DTranspose
from ssgan_tf.networks.dcgan_pair import channels
from ssgan_tf.networks.layers import BatchNormalization, leaky_relu
from ssgan_tf.networks.stack import QUARTERABLE, Stack, quarterable_side
from ssgan_tf.step_context import StepContext
from ssgan_tf.systems.adversarial import AdversarialGame
from ssgan_tf.systems.recipe import Batch, DataSpec, Losses, Networks, Recipe, Reproduction, Update

# two 5x5 convolutions of stride 2 without padding need as many pixels a side
SMALLEST_VALID = 16


@dataclass(frozen=True)
class Settings:
    """Settings of `dcgan`; the defaults are the preset `full`."""

    image_size: int = setting(
        28,
        "side of the networks' images; 0: the smallest that holds the data's",
        QUARTERABLE,
    )
    form: str = setting(
        "compact",
        "the layers: compact (3x3 convolutions), or those of the document's text or listing (5x5 ones)",
        one_of("compact", "text", "listing"),
    )
    slope: float = setting(0.01, "slope of the leaky ReLU below 0", between(0, 1))
    update: str = setting(
        "joint",
        "the discriminator's update: joint (one, on real and generated images) or separate (one on real "
        "images, then one on generated ones)",
        one_of("joint", "separate"),
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
        side = quarterable_side(settings.image_size, data.image_shape)
        if settings.form != "compact" and side < SMALLEST_VALID:
            if settings.image_size:
                raise UsageError(
                    f"recipe.image_size must be at least {SMALLEST_VALID}, or 0, with "
                    f"recipe.form={settings.form}; got {settings.image_size}."
                )
            side = SMALLEST_VALID
        self.side = side
        self.leaky = leaky_relu(settings.slope)

    def build_networks(self) -> Networks:
        """Builds both; at 28x28 the generator's maps run 7x7, 14x14, 28x28."""
        forms = {"compact": self._compact, "text": self._text, "listing": self._listing}
        discriminator = Stack(forms[self.settings.form](), name="discriminator", dtype=self.dtype)
        maps = self._listed_maps if self.settings.form == "listing" else self._maps
        generator = Stack(
            [*maps(self.side // 4), keras.layers.Activation("tanh", dtype="float32")],
            name="generator",
            dtype=self.dtype,
        )
        discriminator(generator(tf.zeros([1, self.settings.latent_size])))
        return {"discriminator": discriminator, "generator": generator}

    def _compact(self) -> list[keras.layers.Layer]:
        return [
            self._conv(32, 3, 2, "same", activation=self.leaky),
            *self._normalised(self._conv(64, 3, 2, "same", use_bias=False)),
            *self._normalised(self._conv(128, 3, 2, "same", use_bias=False)),
            keras.layers.Flatten(dtype=self.dtype),
            keras.layers.Dense(1, dtype="float32"),
        ]

    def _text(self) -> list[keras.layers.Layer]:
        return [
            self._conv(64, 5, 1, "same", activation=self.leaky),
            *self._normalised(self._conv(128, 5, 2, "valid", use_bias=False)),
            *self._normalised(self._conv(128, 5, 2, "valid", use_bias=False)),
            keras.layers.Flatten(dtype=self.dtype),
            keras.layers.Dense(1, dtype="float32"),
        ]

    def _listing(self) -> list[keras.layers.Layer]:
        return [
            self._conv(64, 5, 1, "same", activation=self.leaky),
            self._conv(128, 5, 2, "valid", activation=self.leaky),
            self._conv(128, 5, 2, "valid"),
            keras.layers.Flatten(dtype=self.dtype),
            keras.layers.Dense(channels(self.settings.width, 1024), self.leaky, dtype=self.dtype),
            keras.layers.Dense(1, dtype="float32"),
        ]

    def _maps(self, start: int) -> list[keras.layers.Layer]:
        """The generator of the document's text, up to its tanh, from maps of start x start pixels on."""
        filters = channels(self.settings.width, 256)
        return [
            keras.layers.Dense(start * start * filters, dtype=self.dtype),
            keras.layers.Reshape([start, start, filters], dtype=self.dtype),
            *self._normalised(self._deconv(channels(self.settings.width, 128), 2, use_bias=False)),
            *self._normalised(self._deconv(channels(self.settings.width, 64), 1, use_bias=False)),
            self._deconv(self.data.image_shape[2], 2),
        ]

    def _listed_maps(self, start: int) -> list[keras.layers.Layer]:
        """The generator of the document's listing, up to its tanh."""
        filters = channels(self.settings.width, 128)
        return [
            keras.layers.Dense(start * start * filters, self.leaky, dtype=self.dtype),
            BatchNormalization(dtype=self.dtype),
            keras.layers.Activation(self.leaky, dtype=self.dtype),
            keras.layers.Reshape([start, start, filters], dtype=self.dtype),
            self._deconv(channels(self.settings.width, 64), 2, activation=self.leaky),
            self._deconv(self.data.image_shape[2], 2),
        ]

    def _conv(
        self, filters: int, kernel: int, stride: int, padding: str, **options: Any
    ) -> keras.layers.Layer:
        count = channels(self.settings.width, filters)
        return Conv2D(count, kernel, stride, padding, dtype=self.dtype, **options)

    def _deconv(self, filters: int, stride: int, **options: Any) -> keras.layers.Layer:
        return Conv2DTranspose(filters, 3, stride, "same", dtype=self.dtype, **options)

    def _normalised(self, convolution: keras.layers.Layer) -> list[keras.layers.Layer]:
        # the convolution has no bias: normalisation would take it away again
        activation = keras.layers.Activation(self.leaky, dtype=self.dtype)
        return [convolution, BatchNormalization(dtype=self.dtype), activation]

    def updates(self) -> Sequence[Update]:
        """The discriminator's update, or its two, then the generator's against the new discriminator."""
        if self.settings.update == "joint":
            return super().updates()
        return [self._update_on_real, self._update_on_fakes, self._update_generator]

    def _update_on_real(self, networks: Networks, batches: Mapping[str, Batch], step: StepContext) -> Losses:
        logits = networks["discriminator"](self.scaled(batches["images"].image), training=True)
        loss = losses.sigmoid_cross_entropy(logits, 1.0)
        accuracy = losses.share(logits > 0.0)
        return Losses(
            {"discriminator": loss}, {"discriminator/real": loss, "discriminator/accuracy": accuracy}
        )

    def _update_on_fakes(self, networks: Networks, batches: Mapping[str, Batch], step: StepContext) -> Losses:
        z = self.noise(step, batches["images"].label.shape[0])
        fakes = tf.stop_gradient(networks["generator"](z, training=True))
        with step.frozen_statistics():
            logits = networks["discriminator"](fakes, training=True)
        loss = losses.sigmoid_cross_entropy(logits, 0.0)
        accuracy = losses.share(logits < 0.0)
        return Losses(
            {"discriminator": loss}, {"discriminator/fake": loss, "discriminator/accuracy": accuracy}
        )

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
        "documented": {"form": "text", "slope": 0.3, "update": "separate"},
        "small": {
            "image_size": 0,
            "width": 0.5,
            "steps": 3000,
            "batch_size": 64,
            "learning_rate": 5e-4,
            "beta_1": 0.5,
        },
    },
    loop={"documented": {"average_decay": 0.0, "image_every": 1000}},
    reproduction=Reproduction(
        settings={"data.dataset": "{mnist}", "train.preset": "documented"},
        original="losses, the discriminator's accuracy and a 4x4 grid of samples every 1,000 steps",
    ),
)
