"""What systems that learn from partly labelled images share: streams, random views, the scale of pixels."""

from __future__ import annotations

import tensorflow as tf

from ssgan_tf import pixels
from ssgan_tf.augmentation import random_view
from ssgan_tf.recipes.recipe import Networks, Stream, System
from ssgan_tf.training.step_context import StepContext


class PartlyLabelledImages(System):
    """A classifier among the networks, called `discriminator`, and a `generator`; images in [-1, 1].

    The settings hold `batch_size`, `labelled_batch`, `latent_size`, and `shift` and `rotate` of
    `random_view`.

    Attributes:
        side: of the networks' square images; set by the subclass.
    """

    classifier = "discriminator"
    generator = "generator"
    side: int

    def streams(self) -> dict[str, Stream]:
        """The masked batch and, where set, a batch of labelled images."""
        streams = {"images": Stream(self.settings.batch_size)}
        if self.settings.labelled_batch:
            streams["labelled"] = Stream(self.settings.labelled_batch, labelled_only=True)
        return streams

    def scaled(self, images: tf.Tensor) -> tf.Tensor:
        """Images [B, S, S, C] in [-1, 1] of record images."""
        return pixels.scale(images, -1.0, 1.0, self.side)

    def view(self, images: tf.Tensor, step: StepContext) -> tf.Tensor:
        """Scaled images, shifted and rotated at random."""
        s = self.settings
        return random_view(self.scaled(images), step, shift=s.shift, rotate=s.rotate)

    def latent(self, count: int, seed: int) -> tf.Tensor:
        """Draws z ~ N(0, I)."""
        return tf.random.stateless_normal([count, self.settings.latent_size], [seed, 0])

    def generate(self, networks: Networks, latent: tf.Tensor) -> tf.Tensor:
        """Generates record images in inference mode: no dropout, moving statistics."""
        return pixels.unscale(networks["generator"](latent), -1.0, 1.0)
