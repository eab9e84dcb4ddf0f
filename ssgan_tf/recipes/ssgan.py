"""Semi-supervised GAN, DCGAN-like, with K+1 logits: the main system.

Settings:  train.preset=documented data.dataset=idx:FOLDER data.labeled_rate=0.2
Cost:      the full size (64x64, width 1) needs 3.7 GFLOP an image and step: an epoch of MNIST takes about
           20 minutes on two cores. The small preset takes 0.06 s a step on one core.
Expected:  the small preset, 20 % of MNIST's labels, 10,000 steps: 0.59 % test error, and 0.63 % for its
           paired baseline: with that many labels the random views do nearly all of the work. On
           the bundled digits with 10 labels a class it halves the baseline's error. Documented, three
           epochs: 6.3 %, baseline 2.3 %, mostly because the moving statistics lag (README);
           train.batch_statistics=renewed measures them anew after the last step.
Losses:    l, logits; s = logsumexp(l); f, features; (x, y) labelled images, u all, G(z) generated ones
           with loss=k_logits
           D minimises  E -log softmax(l(x))_y + 1/2 E softplus(-s(u)) + 1/2 E softplus(s(G(z)))
           G minimises  mean over features of (E f(u) - E f(G(z)))^2
           with loss=faithful, y counted from 1
           D minimises  E -log softmax(l(x))_y + E softplus(l_0(u)) + E softplus(-l_0(G(z)))
           G minimises  E softplus(l_0(G(z))) + mean over features of (E f(u) - E f(G(z)))^2

Logit 0 says real or fake (1 = fake), logits 1..K are the classes. The faithful loss trains all K+1 with
one softmax on labelled images and logit 0 with a sigmoid. The two pull against each other: a softmax is
unchanged when a constant is added to all logits, the sigmoid is not. `loss="k_logits"` is the form of
Salimans et al. 2016 without that conflict: K logits, the fake logit fixed at 0.

How the presets differ from the document and from each other ("=": as in the column to the left):

| what                   | document             | documented     | full        | small                   |
|------------------------|----------------------|----------------|-------------|-------------------------|
| updates of a step      | D, then G against it | =              | at once (1) | =                       |
| steps                  | 5 or 7 epochs        | 2,344          | 3,283       | 1,200                   |
| loss                   | K+1 logits           | =              | =           | K logits (2)            |
| images, filters, batch | 64x64, all, 128      | =              | =           | the data's, 1/4, 64 (3) |
| labelled batch besides | none                 | =              | =           | 32 (4)                  |
| random views           | none                 | =              | =           | 6 %, 10 degrees (4)     |
| Adam's rate            | 2e-4                 | =              | =           | 6e-4 (3)                |
| weights looked at      | the last             | =              | average (5) | =                       |
| losses shown           | mean of an epoch     | every step's   | =           | =                       |
| grid of samples        | each epoch           | 469 steps      | 500 steps   | =                       |
| drop rate              | 0.3                  | 77/256 (6)     | =           | =                       |
| labelled set           | anew each batch      | once (7)       | =           | =                       |
| accuracy on            | training batch       | test split (7) | =           | =                       |
| samples drawn with     | dropout              | none (7)       | =           | =                       |
| order of real images   | fixed                | shuffled (7)   | =           | =                       |

(1) From one forward pass, which is cheaper. (2) Without the conflict above. (3) To train on two cores. (4)
Where labels are few, a batch of all images holds hardly any. (5) Decay 0.999: steadier than the last
weights. (6) A byte of randomness an activation. (7) Faults of the original: a mask drawn anew shows 79 % of
the labels in 7 epochs of which 20 % should be known; the others flatter or blur what is seen.

Five epochs of MNIST are 2,344 steps, the seven of the document's full code 3,283. The document says nothing
of initial weights (here N(0, 0.02)), batch normalisation (momentum 0.9, epsilon 1e-5) and Adam's epsilon
(1e-7). Both updates of `documented` take the same latent vectors, each with new dropout masks, and the
moving statistics of either network move once a step, the discriminator's with real images only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from ssgan_tf import losses
from ssgan_tf.adam import Adam
from ssgan_tf.declare import at_least, at_most, decay, one_of, positive, setting, share
from ssgan_tf.networks.dcgan_pair import STRIDES, Discriminator, Generator, Outputs, fitting_size
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


@dataclass(frozen=True)
class Settings:
    """Settings of `ssgan`; the defaults are the preset `full`."""

    image_size: int = setting(
        64,
        "side of the networks' images; 0: the smallest of 16, 32, 64 and 128 that holds the data's",
        one_of(0, *STRIDES),
    )
    width: float = setting(1.0, "multiplies the number of filters of every layer", positive())
    latent_size: int = setting(100, "numbers that the generator makes an image of", at_least(1))
    dropout: float = setting(0.3, "share of the activations that is dropped in training", share())
    shift: float = setting(
        0.0, "largest random shift of a training image, as a share of its side", at_most(1)
    )
    rotate: float = setting(0.0, "largest random rotation of a training image, in degrees", at_most(180))
    loss: str = setting(
        "faithful",
        "faithful (K+1 logits, softmax and sigmoid) or k_logits (K logits, that of fakes is 0)",
        one_of("faithful", "k_logits"),
    )
    update: str = setting(
        "simultaneous",
        "simultaneous (both networks from one forward pass) or alternating (first the discriminator, then "
        "the generator against the updated one, on the same batch and noise)",
        one_of("simultaneous", "alternating"),
    )
    steps: int = setting(3283, "training steps; 469 of 128 images are an epoch of MNIST", at_least(1))
    batch_size: int = setting(128, "images of the masked batch, over all replicas", at_least(1))
    labelled_batch: int = setting(
        0,
        "labelled images that a step takes beside the masked batch; 0 leaves the masked batch alone, as "
        "the original has it",
        at_least(0),
    )
    learning_rate: float = setting(2e-4, "Adam's learning rate, of both networks", positive())
    beta_1: float = setting(0.5, "Adam's decay of the mean gradient", decay())


class SSGAN(PartlyLabelledImages):
    """The networks and losses of `ssgan`."""

    settings: Settings

    def __init__(self, settings: Settings, data: DataSpec, dtype: str = "float32") -> None:
        super().__init__(settings, data, dtype)
        self.side = settings.image_size or fitting_size(data.image_shape)

    def build_networks(self) -> Networks:
        """Builds the discriminator and the generator."""
        s, spec = self.settings, self.data
        extra = {"faithful": 1, "k_logits": 0}
        shape: dict[str, Any] = {
            "image_size": self.side,
            "width": s.width,
            "dropout": s.dropout,
            "dtype": self.dtype,
        }
        discriminator = Discriminator(units=spec.num_classes + extra[s.loss], **shape)
        generator = Generator(image_channels=spec.image_shape[2], **shape)
        discriminator(generator(tf.zeros([1, s.latent_size])))
        return {"discriminator": discriminator, "generator": generator}

    def build_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """Adam for both networks."""
        s = self.settings
        return {name: Adam(s.learning_rate, beta_1=s.beta_1) for name in ("discriminator", "generator")}

    def updates(self) -> Sequence[Update]:
        """One simultaneous update, or two alternating ones."""
        forms: dict[str, Sequence[Update]] = {
            "simultaneous": [self._both],
            "alternating": [self._discriminator, self._generator],
        }
        return forms[self.settings.update]

    def _passes(
        self, networks: Networks, batches: Mapping[str, Batch], fakes: tf.Tensor, step: StepContext
    ) -> tuple[Outputs, Outputs, Outputs, tf.Tensor]:
        """The discriminator on labelled, real and generated images, and the labels of the first."""
        discriminator, batch = networks["discriminator"], batches["images"]
        real = discriminator(self.view(batch.image, step), training=True)
        labelled, labels = real, batch.label
        if "labelled" in batches:
            with step.frozen_statistics():
                labelled = discriminator(self.view(batches["labelled"].image, step), training=True)
            labels = batches["labelled"].label
        with step.frozen_statistics():
            fake = discriminator(fakes, training=True)
        return labelled, real, fake, labels

    def _discriminator_loss(
        self, labelled: Outputs, real: Outputs, fake: Outputs, labels: tf.Tensor, step: StepContext
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        if self.settings.loss == "faithful":
            # the label vector extended by a 0 in front: class k is logit k + 1
            shifted = tf.where(labels >= 0, labels + 1, -1)
            supervised = losses.masked_cross_entropy(labelled.logits, shifted, step)
            on_real = losses.sigmoid_cross_entropy(real.logits[:, 0], 0.0)
            on_fake = losses.sigmoid_cross_entropy(fake.logits[:, 0], 1.0)
            classes = labelled.logits[:, 1:]
        else:
            supervised = losses.masked_cross_entropy(labelled.logits, labels, step)
            on_real = 0.5 * losses.k_logit_real(real.logits)
            on_fake = 0.5 * losses.k_logit_fake(fake.logits)
            classes = labelled.logits
        record = {
            "discriminator/supervised": supervised,
            "discriminator/real": on_real,
            "discriminator/fake": on_fake,
            "discriminator/labelled_accuracy": losses.masked_accuracy(classes, labels, step),
        }
        return supervised + on_real + on_fake, record

    def _generator_loss(
        self, real: Outputs, fake: Outputs, step: StepContext
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        matching = losses.feature_matching(real.features, fake.features, step)
        if self.settings.loss == "faithful":
            adversarial = losses.sigmoid_cross_entropy(fake.logits[:, 0], 0.0)
            record = {"generator/adversarial": adversarial, "generator/feature_matching": matching}
            return adversarial + matching, record
        return matching, {"generator/feature_matching": matching}

    def _both(self, networks: Networks, batches: Mapping[str, Batch], step: StepContext) -> Losses:
        fakes = self.fakes(networks, batches["images"], step)
        labelled, real, fake, labels = self._passes(networks, batches, fakes, step)
        d_loss, d_record = self._discriminator_loss(labelled, real, fake, labels, step)
        g_loss, g_record = self._generator_loss(real, fake, step)
        return Losses({"discriminator": d_loss, "generator": g_loss}, d_record | g_record)

    def _discriminator(self, networks: Networks, batches: Mapping[str, Batch], step: StepContext) -> Losses:
        # the generator's update moves its statistics
        with step.frozen_statistics():
            fakes = tf.stop_gradient(self.fakes(networks, batches["images"], step))
        loss, record = self._discriminator_loss(*self._passes(networks, batches, fakes, step), step)
        return Losses({"discriminator": loss}, record)

    def _generator(self, networks: Networks, batches: Mapping[str, Batch], step: StepContext) -> Losses:
        fakes = self.fakes(networks, batches["images"], step)
        with step.frozen_statistics():
            real = networks["discriminator"](self.view(batches["images"].image, step), training=True)
            fake = networks["discriminator"](fakes, training=True)
        loss, record = self._generator_loss(real, fake, step)
        return Losses({"generator": loss}, record)

    def class_logits(self, networks: Networks, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Class logits [B, K]; logit 0 of the faithful form is left out."""
        views = self.view(images, current_step()) if training else self.scaled(images)
        logits = networks["discriminator"](views, training=training).logits
        return logits[:, 1:] if self.settings.loss == "faithful" else logits

    def features(self, networks: Networks, images: tf.Tensor) -> tf.Tensor:
        """The matched features [B, F]."""
        return networks["discriminator"](self.scaled(images)).features

    def real_score(self, networks: Networks, images: tf.Tensor) -> tf.Tensor:
        """1 - sigmoid(logit 0) in the faithful form, else sigmoid(logsumexp of the class logits)."""
        logits = networks["discriminator"](self.scaled(images)).logits
        if self.settings.loss == "faithful":
            return tf.sigmoid(-logits[:, 0])
        return tf.sigmoid(tf.reduce_logsumexp(logits, -1))


RECIPE = Recipe(
    name="ssgan",
    settings=Settings,
    system=SSGAN,
    presets={
        "documented": {"update": "alternating", "steps": 2344},
        "small": {
            "image_size": 0,
            "width": 0.25,
            "loss": "k_logits",
            "shift": 0.06,
            "rotate": 10.0,
            "batch_size": 64,
            "labelled_batch": 32,
            "learning_rate": 6e-4,
            "steps": 1200,
        },
    },
    semi_supervised=True,
    baseline="supervised",
    loop={"documented": {"average_decay": 0.0, "image_every": 469}},
    reproduction=Reproduction(
        settings={"data.dataset": "{mnist}", "train.preset": "documented", "data.labeled_rate": 0.2},
        original="mean losses, accuracy on the training batch and a 5x5 grid of samples for 5 to 7 epochs",
    ),
)
