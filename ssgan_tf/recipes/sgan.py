"""Semi-supervised GAN with two heads: `valid`, and N+1 classes of which the last means generated.

Settings:  train.preset=documented data.dataset=idx:FOLDER data.labeled_rate=0.2
Cost:      100 epochs of MNIST are 23,400 steps of 256 images; a step takes 1 s on one core. The small
           preset's 8,000 steps of 64 and 64 labelled images take 7 minutes on one core.
Expected:  the small preset, 20 % of MNIST's labels: 0.8 % test error (its paired baseline: 0.9 %); samples of
           all ten classes, of which an independent classifier is sure to 0.91. With all losses at weight 1
           and no labelled batch of its own (`documented` and `full`) the classifier lags: the adversarial
           losses are most of the gradient.
Losses:    v, the logit of `valid`; c, N+1 logits; (x, y) labelled images, u all; w, adversarial_weight
           D minimises  E -log softmax(c(x))_y
                        + w (E softplus(-v(u)) + E softplus(v(G(z))) + E -log softmax(c(G(z)))_N)
           G minimises  E softplus(-v(G(z)))

Odena 2016, "Semi-Supervised Learning with Generative Adversarial Networks", with a second head. What made
a form of it fail, and must not come back (tests hold each):
- the second convolution read the network's input instead of the first one's output, so the first layer
  had no gradient, and a filter that skipped missing gradients hid the warning;
- the `valid` head ended in a sigmoid and its loss was told to expect logits: sigmoid twice;
- both losses were called with label and prediction swapped;
- pixels were divided by 127.1, which does not end at 1;
- every image kept its label, so nothing was semi-supervised.

How the presets differ from the document and from each other ("=": as in the column to the left):

| what                   | document        | documented     | full           | small                   |
|------------------------|-----------------|----------------|----------------|-------------------------|
| last layer's bias, G   | none            | =              | learned (1)    | =                       |
| grid of samples        | 4x4, each epoch | 4x4, 234 steps | 5x5, 500 steps | =                       |
| weights looked at      | the last        | =              | average (2)    | =                       |
| images, filters, batch | 28x28, all, 256 | =              | =              | the data's, 1/2, 64 (3) |
| steps                  | 100 epochs      | 23,438         | =              | 8,000 (3)               |
| labelled batch besides | none            | =              | =              | 64 (4)                  |
| random views           | none            | =              | =              | 6 %, 10 degrees (4)     |
| adversarial weight     | 1               | =              | =              | 0.1 (5)                 |
| drop rate              | 0.3             | 77/256 (6)     | =              | 0.1                     |
| Adam                   | 1e-4            | beta_1 0.9     | =              | D 1e-3, G 2e-3, 0.5 (3) |
| labels that are used   | all (fault)     | those given    | =              | =                       |
| the other four faults  | there           | mended         | =              | =                       |

(1) So that a background of any level can be drawn at once. (2) Decay 0.999: steadier than the last weights.
(3) To train on two cores. (4) Where labels are few, a batch of all images holds hardly any. (5) Otherwise
the classifier lags, see above. (6) A byte of randomness an activation.

A hundred epochs of MNIST are 23,438 steps, one of them 234. The document says nothing of the order of the
updates (both networks from one forward pass), initial weights (Glorot and Bengio's uniform ones), batch
normalisation (momentum 0.9, epsilon 1e-5) and Adam's epsilon (1e-7).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import keras
import tensorflow as tf

from ssgan_tf import losses
from ssgan_tf.adam import Adam
from ssgan_tf.declare import Rule, at_least, at_most, decay, one_of, positive, setting, share, whole
from ssgan_tf.networks.convolutions import Conv2D, Conv2DTranspose
from ssgan_tf.networks.dcgan_pair import channels
from ssgan_tf.networks.layers import BatchNormalization, Dropout, leaky_relu
from ssgan_tf.networks.stack import QUARTERABLE, Stack, quarterable_side
from ssgan_tf.step_context import StepContext, current_step
from ssgan_tf.systems.partly_labelled import PartlyLabelledImages
from ssgan_tf.systems.recipe import (
    Batch,
    DataSpec,
    Losses,
    Networks,
    Recipe,
    Reproduction,
    Update,
)

SLOPE = 0.3


@dataclass(frozen=True)
class Settings:
    """Settings of `sgan`; the defaults are the preset `full`."""

    image_size: int = setting(
        28,
        "side of the networks' images; 0: the smallest that holds the data's",
        QUARTERABLE,
    )
    width: float = setting(1.0, "multiplies the number of filters of every layer", positive())
    latent_size: int = setting(100, "numbers that the generator makes an image of", at_least(1))
    dropout: float = setting(0.3, "share of the activations that is dropped in training", share())
    output_bias: str = setting(
        "learned", "bias of the generator's last layer: learned or none", one_of("learned", "none")
    )
    grid_side: int = setting(5, "images along a side of the grid of samples", whole(1, 20))
    adversarial_weight: float = setting(
        1.0,
        "weight of the discriminator's three losses on real against generated images, beside the one on "
        "labelled images",
        Rule("a number above 0, to 1", lambda value: 0 < value <= 1),
    )
    shift: float = setting(
        0.0, "largest random shift of a training image, as a share of its side", at_most(1)
    )
    rotate: float = setting(0.0, "largest random rotation of a training image, in degrees", at_most(180))
    steps: int = setting(23_438, "training steps", at_least(1))
    batch_size: int = setting(256, "images of the masked batch, over all replicas", at_least(1))
    labelled_batch: int = setting(
        0,
        "labelled images that a step takes beside the masked batch, which holds hardly any where labels "
        "are few; 0 leaves the masked batch alone",
        at_least(0),
    )
    learning_rate: float = setting(1e-4, "Adam's learning rate, of the discriminator", positive())
    generator_rate: float = setting(1e-4, "Adam's learning rate, of the generator", positive())
    beta_1: float = setting(0.9, "Adam's decay of the mean gradient", decay())


class Heads(NamedTuple):
    """The discriminator's two heads: `valid` [B] and `classes` [B, N+1], logits float32."""

    valid: tf.Tensor
    classes: tf.Tensor


class SGAN(PartlyLabelledImages):
    """The networks and losses of `sgan`; images in [-1, 1]."""

    settings: Settings

    def __init__(self, settings: Settings, data: DataSpec, dtype: str = "float32") -> None:
        super().__init__(settings, data, dtype)
        self.side = quarterable_side(settings.image_size, data.image_shape)
        self.grid_side = settings.grid_side

    def build_networks(self) -> Networks:
        """Builds both; one dense layer of 1 + N + 1 units holds the two heads side by side."""
        s = self.settings
        discriminator = Stack(
            [
                self._conv(64),
                Dropout(s.dropout, dtype=self.dtype),
                self._conv(128),
                Dropout(s.dropout, dtype=self.dtype),
                keras.layers.Flatten(dtype=self.dtype),
                keras.layers.Dense(1 + self.data.num_classes + 1, dtype="float32"),
            ],
            name="discriminator",
            dtype=self.dtype,
        )
        start, filters = self.side // 4, channels(s.width, 256)
        generator = Stack(
            [
                keras.layers.Dense(start * start * filters, use_bias=False, dtype=self.dtype),
                *self._normalised(),
                keras.layers.Reshape([start, start, filters], dtype=self.dtype),
                self._deconv(channels(s.width, 128), 1),
                *self._normalised(),
                self._deconv(channels(s.width, 64), 2),
                *self._normalised(),
                self._deconv(self.data.image_shape[2], 2, bias=s.output_bias == "learned"),
                keras.layers.Activation("tanh", dtype="float32"),
            ],
            name="generator",
            dtype=self.dtype,
        )
        discriminator(generator(tf.zeros([1, s.latent_size])))
        return {"discriminator": discriminator, "generator": generator}

    def _conv(self, filters: int) -> keras.layers.Layer:
        count = channels(self.settings.width, filters)
        return Conv2D(count, 5, 2, "same", activation=leaky_relu(SLOPE), dtype=self.dtype)

    def _deconv(self, filters: int, stride: int, bias: bool = False) -> keras.layers.Layer:
        return Conv2DTranspose(filters, 5, stride, "same", use_bias=bias, dtype=self.dtype)

    def _normalised(self) -> list[keras.layers.Layer]:
        activation = keras.layers.Activation(leaky_relu(SLOPE), dtype=self.dtype)
        return [BatchNormalization(dtype=self.dtype), activation]

    def build_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """Adam for both networks."""
        s = self.settings
        rates = {"discriminator": s.learning_rate, "generator": s.generator_rate}
        return {name: Adam(rate, beta_1=s.beta_1) for name, rate in rates.items()}

    def updates(self) -> Sequence[Update]:
        """One update of both networks from one forward pass."""
        return [self._update]

    def _heads(self, networks: Networks, images: tf.Tensor, training: bool = False) -> Heads:
        outputs = networks["discriminator"](images, training=training)
        return Heads(outputs[:, 0], outputs[:, 1:])

    def _update(self, networks: Networks, batches: Mapping[str, Batch], step: StepContext) -> Losses:
        batch = batches["images"]
        fake = self._heads(networks, self.fakes(networks, batch, step), training=True)
        real = self._heads(networks, self.view(batch.image, step), training=True)
        labelled, labels = real.classes, batch.label
        if "labelled" in batches:
            labels = batches["labelled"].label
            views = self.view(batches["labelled"].image, step)
            labelled = self._heads(networks, views, training=True).classes
        generated = tf.fill(tf.shape(batch.label), self.data.num_classes)
        record = {
            "discriminator/valid_real": losses.sigmoid_cross_entropy(real.valid, 1.0),
            "discriminator/valid_fake": losses.sigmoid_cross_entropy(fake.valid, 0.0),
            "discriminator/class_labelled": losses.masked_cross_entropy(labelled, labels, step),
            "discriminator/class_fake": losses.masked_cross_entropy(fake.classes, generated, step),
        }
        supervised = record["discriminator/class_labelled"]
        adversarial = tf.add_n([value for value in record.values() if value is not supervised])
        loss = supervised + self.settings.adversarial_weight * adversarial
        record |= {
            "discriminator/accuracy": losses.real_fake_accuracy(real.valid, fake.valid),
            "discriminator/labelled_accuracy": losses.masked_accuracy(labelled[:, :-1], labels, step),
        }
        return Losses(
            {"discriminator": loss, "generator": losses.sigmoid_cross_entropy(fake.valid, 1.0)}, record
        )

    def class_logits(self, networks: Networks, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Class logits [B, N], without that of the generated class."""
        views = self.view(images, current_step()) if training else self.scaled(images)
        return self._heads(networks, views, training).classes[:, :-1]

    def features(self, networks: Networks, images: tf.Tensor) -> tf.Tensor:
        """The last convolution's filters [B, F], averaged over their positions."""
        x = self.scaled(images)
        # all but the last two, which make it flat and map it to both heads
        for layer in networks["discriminator"].body[:-2]:
            x = layer(x)
        return tf.reduce_mean(tf.cast(x, tf.float32), [1, 2])

    def real_score(self, networks: Networks, images: tf.Tensor) -> tf.Tensor:
        """sigmoid of the `valid` head."""
        return tf.sigmoid(self._heads(networks, self.scaled(images)).valid)


RECIPE = Recipe(
    name="sgan",
    settings=Settings,
    system=SGAN,
    presets={
        "documented": {"output_bias": "none", "grid_side": 4},
        "small": {
            "image_size": 0,
            "width": 0.5,
            "dropout": 0.1,
            "steps": 8000,
            "batch_size": 64,
            "labelled_batch": 64,
            "shift": 0.06,
            "rotate": 10.0,
            "adversarial_weight": 0.1,
            "learning_rate": 1e-3,
            "generator_rate": 2e-3,
            "beta_1": 0.5,
        },
    },
    semi_supervised=True,
    baseline="supervised",
    loop={"documented": {"average_decay": 0.0, "image_every": 234}},
    reproduction=Reproduction(
        settings={"data.dataset": "{mnist}", "train.preset": "documented", "data.labeled_rate": 0.2},
        original="nothing: it did not train (see the faults at the top of its file)",
    ),
)
