"""What systems that learn from partly labelled images share: streams, random views, the scale of pixels.

The discriminator sees generated images through the same random views as real ones (Zhao et al. 2020,
"Differentiable Augmentation for Data-Efficient GAN Training"). With views of real images alone the
generator learns to draw the shifts and rotations: after 2,000 steps of `sgan` on MNIST the samples were
twice as far from real images (Fréchet distance 78 instead of 38).
"""

from __future__ import annotations

import tensorflow as tf

from ssgan_tf import pixels
from ssgan_tf.augmentation import random_view
from ssgan_tf.step_context import StepContext
from ssgan_tf.systems.recipe import Batch, Networks, Stream, System


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
        """Record images scaled, shifted and rotated at random."""
        return self._augmented(self.scaled(images), step)

    def random_views(self, images: tf.Tensor, step: StepContext) -> dict[str, tf.Tensor]:
        """Shifted and rotated, where either is set."""
        if not (self.settings.shift or self.settings.rotate):
            return {}
        return {"view": pixels.unscale(self.view(images, step), -1.0, 1.0)}

    def fakes(self, networks: Networks, batch: Batch, step: StepContext) -> tf.Tensor:
        """As many generated images [B, S, S, C] as `batch` holds, shifted and rotated as real ones are.

        All updates of a step generate them from the same latent vectors.
        """
        shape = [batch.label.shape[0], self.settings.latent_size]
        z = step.shared("latent", lambda: step.normal(shape))
        return self._augmented(networks["generator"](z, training=True), step)

    def _augmented(self, images: tf.Tensor, step: StepContext) -> tf.Tensor:
        return random_view(images, step, shift=self.settings.shift, rotate=self.settings.rotate)

    def latent(self, count: int, seed: int) -> tf.Tensor:
        """Draws z ~ N(0, I)."""
        return tf.random.stateless_normal([count, self.settings.latent_size], [seed, 0])

    def generate(self, networks: Networks, latent: tf.Tensor) -> tf.Tensor:
        """Generates record images in inference mode: no dropout, moving statistics."""
        return pixels.unscale(networks["generator"](latent), -1.0, 1.0)
