"""Toy GAN on a 2-D Gaussian: a linear generator that can be compared with the truth.

Settings:  train.preset=documented data.dataset=gaussian
Cost:      2,500 steps of 8 points, two seconds.
Expected:  both losses at ln 2 = 0.693. With `full`, a generated mean within 0.2 of [1, 2] on each axis and a
           generated covariance within 25 % (Frobenius norm) of [[1.01, 1.95], [1.95, 4.25]]; with
           `documented` 0.07 to 0.56 and 3 to 37 % off over five seeds.
Losses:    D, a logit; x real points, G(z) generated ones; E the mean over the batch
           D minimises  1/2 (E softplus(-D(x)) + E softplus(D(G(z))))
           G minimises  E softplus(-D(G(z)))

Losses at ln 2 alone prove nothing: a discriminator that answers the same everywhere has them too. With
Adam's usual beta_1 of 0.9 and epsilon of 1e-8 it goes flat within a few hundred steps at this learning
rate, and the generator stops wherever it is. With beta_1 0.5 and epsilon 0.01 it keeps answering, and the
generator arrives.

How the presets differ from the document and from each other ("=": as in the column to the left):

| what              | document         | documented         | full, small |
|-------------------|------------------|--------------------|-------------|
| Adam's beta_1     | not named        | its usual 0.9      | 0.5 (1)     |
| Adam's epsilon    | not named        | its usual 1e-8     | 0.01 (1)    |
| weights looked at | the last         | =                  | average (2) |
| loss curve        | a point an epoch | each step's losses | =           |
| figures           | none             | mean, covariance   | =           |

(1) So that the discriminator does not go flat, see above. (2) Decay 0.995: steadier than the last weights.

The document says nothing of the biases (they start at 0) and of the two updates' noise (each draws its
own).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from ssgan_tf import points
from ssgan_tf.adam import Adam
from ssgan_tf.declare import at_least, decay, not_negative, positive, setting
from ssgan_tf.errors import UsageError
from ssgan_tf.metrics.figures import FRACTION, Figure
from ssgan_tf.networks.stack import Stack
from ssgan_tf.plots import scatter
from ssgan_tf.step_context import StepContext
from ssgan_tf.systems.adversarial import AdversarialGame
from ssgan_tf.systems.recipe import DataSpec, Networks, Recipe, Reproduction


@dataclass(frozen=True)
class Settings:
    """Settings of `gaussian`; the defaults are the presets `full` and `small`."""

    latent_size: int = setting(2, "numbers that the generator makes a point of", at_least(1))
    stddev: float = setting(0.02, "deviation of the initial weights", not_negative())
    steps: int = setting(2500, "training steps; 2,500 of 8 are 20 epochs of 1,000 points", at_least(1))
    batch_size: int = setting(8, "real points of a step, over all replicas", at_least(1))
    discriminator_rate: float = setting(0.05, "Adam's learning rate, of the discriminator", positive())
    generator_rate: float = setting(0.005, "Adam's learning rate, of the generator", positive())
    beta_1: float = setting(0.5, "Adam's decay of the mean gradient", decay())
    epsilon: float = setting(0.01, "Adam's epsilon, outside of the square root", positive())
    average_decay: float = setting(0.995, "decay of the averaged weights that are evaluated", decay())


class Gaussian(AdversarialGame):
    """The networks of `gaussian`; the discriminator's loss is half the sum of its two terms."""

    discriminator_weight = 0.5
    settings: Settings

    def __init__(self, settings: Settings, data: DataSpec, dtype: str = "float32") -> None:
        super().__init__(settings, data, dtype)
        if data.image_shape != points.POINT_SHAPE:
            raise UsageError(
                f"recipe gaussian trains on points of the plane, not on images of {list(data.image_shape)}; "
                "set data.dataset=gaussian."
            )

    def build_networks(self) -> Networks:
        """Discriminator: dense 5 tanh, dense 3 tanh, dense 1. Generator: dense 2."""
        discriminator = Stack(
            [self._dense(5, "tanh"), self._dense(3, "tanh"), self._dense(1)],
            name="discriminator",
            dtype=self.dtype,
        )
        generator = Stack([self._dense(2)], name="generator", dtype=self.dtype)
        discriminator(generator(tf.zeros([1, self.settings.latent_size])))
        return {"discriminator": discriminator, "generator": generator}

    def _dense(self, units: int, activation: str | None = None) -> keras.layers.Layer:
        normal = keras.initializers.RandomNormal(0.0, self.settings.stddev)
        return keras.layers.Dense(units, activation, kernel_initializer=normal, dtype=self.dtype)

    def build_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """Adam, ten times faster for the discriminator."""
        s = self.settings
        rates = {"discriminator": s.discriminator_rate, "generator": s.generator_rate}
        return {name: Adam(rate, beta_1=s.beta_1, epsilon=s.epsilon) for name, rate in rates.items()}

    def scaled(self, images: tf.Tensor) -> tf.Tensor:
        """The points float32 [B, 2] of record images."""
        values = tf.reshape(tf.cast(images, tf.uint8), [-1, 2, 4])
        return tf.bitcast(values, tf.float32)

    def unscaled(self, outputs: tf.Tensor) -> tf.Tensor:
        """The record images of points float32 [B, 2]."""
        values = tf.bitcast(tf.cast(outputs, tf.float32), tf.uint8)
        return tf.reshape(values, [-1, *points.POINT_SHAPE])

    def noise(self, step: StepContext, count: int) -> tf.Tensor:
        """z ~ N(0, I)."""
        return step.normal([count, self.settings.latent_size])

    def latent(self, count: int, seed: int) -> tf.Tensor:
        """Draws z ~ N(0, I)."""
        return tf.random.stateless_normal([count, self.settings.latent_size], [seed, 0])

    def picture(self, networks: Networks, seed: int, real: tf.Tensor) -> np.ndarray:
        """A scatter plot of real and generated points."""
        fake = self.generate(networks, self.latent(len(real), seed)).numpy()
        return scatter(points.from_records(np.asarray(real)), points.from_records(fake))

    def vectors(self, images: np.ndarray) -> np.ndarray:
        """The points themselves."""
        return points.from_records(images)

    def sample_figures(self, images: np.ndarray) -> Iterator[Figure]:
        """Mean and covariance of generated points beside the true ones."""
        generated = points.from_records(images).astype(np.float64)
        mean, covariance = generated.mean(0), np.cov(generated.T)
        true_mean, true_covariance = points.true_mean(), points.true_covariance()
        difference = float(np.linalg.norm(covariance - true_covariance) / np.linalg.norm(true_covariance))
        yield Figure("mean", mean.tolist(), "mean")
        yield Figure("true_mean", true_mean.tolist(), "true mean")
        yield Figure(
            "mean_difference",
            float(np.abs(mean - true_mean).max()),
            "mean off by",
            caption="the larger difference on either axis",
        )
        yield Figure("covariance", covariance.tolist(), "covariance")
        yield Figure("true_covariance", true_covariance.tolist(), "true covariance")
        yield Figure(
            "covariance_difference",
            difference,
            "covariance off by",
            FRACTION,
            "Frobenius norm of the difference, as a share of that of the true one",
        )


RECIPE = Recipe(
    name="gaussian",
    settings=Settings,
    system=Gaussian,
    presets={"documented": {"beta_1": 0.9, "epsilon": 1e-8, "average_decay": 0.0}, "small": {}},
    reproduction=Reproduction(
        settings={"data.dataset": "gaussian", "train.preset": "documented"},
        original="both losses at 0.693; a scatter plot; a loss curve per epoch",
        seeds=5,
    ),
)
