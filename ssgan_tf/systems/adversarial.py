"""The plain adversarial game: a discriminator's update, then the generator's, each with new noise.

Goodfellow et al. 2014, "Generative Adversarial Networks", algorithm 1 with one discriminator step, and
the generator's non-saturating loss of section 3.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import ClassVar

import tensorflow as tf

from ssgan_tf import losses
from ssgan_tf.step_context import StepContext
from ssgan_tf.systems.recipe import Batch, Losses, Networks, Stream, System, Update


class AdversarialGame(System):
    """A system without labels: a subclass gives networks, optimizers, noise and the scale of pixels.

    Attributes:
        discriminator_weight: multiplies the sum of the discriminator's two losses.
    """

    generator = "generator"
    discriminator_weight: ClassVar[float] = 1.0

    @abc.abstractmethod
    def scaled(self, images: tf.Tensor) -> tf.Tensor:
        """Turns record images into the discriminator's input."""

    @abc.abstractmethod
    def unscaled(self, outputs: tf.Tensor) -> tf.Tensor:
        """Turns the generator's output into record images uint8."""

    @abc.abstractmethod
    def noise(self, step: StepContext, count: int) -> tf.Tensor:
        """Draws this replica's latent vectors [count, Z] of a step."""

    def streams(self) -> dict[str, Stream]:
        """One batch of images; labels are not looked at."""
        return {"images": Stream(self.settings.batch_size)}

    def updates(self) -> Sequence[Update]:
        """The discriminator's update, then the generator's against the new discriminator."""
        return [self._update_discriminator, self._update_generator]

    def penalties(self, networks: Networks, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Further scalars that the discriminator minimises, by name, from scaled real images."""
        return {}

    def _update_discriminator(
        self, networks: Networks, batches: Mapping[str, Batch], step: StepContext
    ) -> Losses:
        images = self.scaled(batches["images"].image)
        fakes = tf.stop_gradient(networks["generator"](self.noise(step, images.shape[0]), training=True))
        real = networks["discriminator"](images, training=True)
        with step.frozen_statistics():
            fake = networks["discriminator"](fakes, training=True)
        on_real = losses.sigmoid_cross_entropy(real, 1.0)
        on_fake = losses.sigmoid_cross_entropy(fake, 0.0)
        penalties = self.penalties(networks, images)
        loss = self.discriminator_weight * (on_real + on_fake)
        return Losses(
            {"discriminator": tf.add_n([loss, *penalties.values()])},
            {
                **penalties,
                "discriminator/real": on_real,
                "discriminator/fake": on_fake,
                "discriminator/accuracy": losses.real_fake_accuracy(real, fake),
            },
        )

    def _update_generator(
        self, networks: Networks, batches: Mapping[str, Batch], step: StepContext
    ) -> Losses:
        fakes = networks["generator"](self.noise(step, batches["images"].label.shape[0]), training=True)
        with step.frozen_statistics():
            fake = networks["discriminator"](fakes, training=True)
        return Losses({"generator": losses.sigmoid_cross_entropy(fake, 1.0)}, {})

    def real_score(self, networks: Networks, images: tf.Tensor) -> tf.Tensor:
        """sigmoid of the discriminator's only logit."""
        return tf.sigmoid(networks["discriminator"](self.scaled(images))[:, 0])

    def generate(self, networks: Networks, latent: tf.Tensor) -> tf.Tensor:
        """Generates record images in inference mode."""
        return self.unscaled(networks["generator"](latent))
