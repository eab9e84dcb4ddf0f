"""Few labels: guessed labels, then one answer on weak and strong views of an image.

Settings:  train.recipe=few-labels
Cost:      guesses for 60,000 images 72 s of CPU, once; a step of 28x28 images (32 labelled, 96 others in two
           views) 0.07 s on one core of an AMD EPYC with AVX-512.
Expected:  MNIST, 20 labels, ten draws: 1.02 % test error (0.87 to 1.14 %), baseline 25 %; 100 labels, five
           draws: 0.96 % (0.81 to 1.14 %), baseline 4.8 %. Of photos it gave nothing: 46 % with 40 labels for
           each of 5 classes, as its baseline.
Losses:    l, logits; (x, y) images with their given label; u any; w, s, weak and strong views;
           p = softmax(l(w(u))) times prior / mean p, scaled to a sum of 1; c = the label of u where one is
           given, else argmax p where max p >= threshold, else the guessed label where there is one; t = 1
           where one of these is so, else 0
           D minimises  E -log softmax(l(s(x)))_y + E t * -log softmax(l(s(u)))_c
           - mutual_information * I(w(u); s(u))
           with generator=feature_matching also 1/2 E softplus(-S(u)) + 1/2 E softplus(S(G(z))), S =
           logsumexp(l); and G minimises  mean over features of (E f(u) - E f(G(z)))^2

Guesses (`ssgan_tf/graphs/guesses.py`) are Poisson learning with a balanced cut, Calder et al. 2020.
Consistency is that of Sohn et al. 2020, "FixMatch"; alignment that of Berthelot et al. 2020, "ReMixMatch";
the adaptive threshold is the global one of Wang et al. 2023, "FreeMatch"; the mutual information between the
class distributions of two views is that of Ji et al. 2019, "Invariant Information Clustering"; the K logits
and the generator are those of Salimans et al. 2016, "Improved Techniques for Training GANs".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from ssgan_tf import losses, pixels
from ssgan_tf.adam import Adam
from ssgan_tf.class_shares import ESTIMATED, LABELLED, NONE, PRIOR, shares_of, shares_to_guess
from ssgan_tf.declare import at_least, decay, one_of, positive, setting, within
from ssgan_tf.errors import UsageError
from ssgan_tf.graphs.guesses import Guesses, guess_labels
from ssgan_tf.networks.alignment import Alignment
from ssgan_tf.networks.dcgan_pair import Outputs
from ssgan_tf.networks.small_generator import small_generator
from ssgan_tf.networks.stack import QUARTERABLE, quarterable_side
from ssgan_tf.networks.strided_classifier import StridedClassifier
from ssgan_tf.step_context import StepContext, current_step
from ssgan_tf.systems.recipe import (
    Batch,
    DataSpec,
    Losses,
    Networks,
    Recipe,
    Reproduction,
    Stream,
    System,
    Update,
)
from ssgan_tf.trusted_targets import trusted_targets
from ssgan_tf.views import AUTO, KINDS, PHOTOS, STRONG, WEAK, kind_for, view

MATCHING = "feature_matching"
WHOLE, AVERAGED = "whole", "averaged"


@dataclass(frozen=True)
class Settings:
    """Settings of `few-labels`; the defaults are the preset `full`."""

    image_size: int = setting(0, "side of the network's images; 0: the data's", QUARTERABLE)
    width: float = setting(1.0, "multiplies the number of filters of every layer", positive())
    views: str = setting(
        AUTO,
        "what a view may change: digits (no mirror), natural (colour, mirror), colours (the same without the "
        "mirror), none; auto: digits for grey images, colours for others",
        one_of(AUTO, *KINDS),
    )
    last_map: str = setting(
        AUTO,
        "what the logits see of the classifier's last map: whole, or averaged over its pixels; auto: "
        "averaged where views are natural or colours",
        one_of(AUTO, WHOLE, AVERAGED),
    )
    steps: int = setting(6000, "training steps", at_least(1))
    batch_size: int = setting(96, "images of all kinds, each in two views, over all replicas", at_least(1))
    labelled_batch: int = setting(32, "labelled images that a step takes beside them", at_least(1))
    learning_rate: float = setting(2e-3, "Adam's first learning rate; a cosine leads to 0", positive())
    beta_2: float = setting(0.99, "Adam's decay of the mean squared gradient", decay())
    weight_decay: float = setting(5e-4, "decay of the kernels, times the learning rate", within(0, 1))
    threshold: float = setting(
        0.95, "confidence from which an answer on a weak view is trained on", within(0, 1)
    )
    threshold_form: str = setting(
        "fixed",
        "fixed, or adaptive: the threshold is the running mean of the confidence, and `threshold` at most",
        one_of("fixed", "adaptive"),
    )
    prior: str = setting(
        ESTIMATED,
        "shares of the classes that the answers are held to: estimated (from what labels carried along "
        "neighbours find; where nothing is guessed, as labelled), labelled (as among the labelled images), "
        "uniform, none, or a number for each class",
        PRIOR,
    )
    guesses: float = setting(
        1.0,
        "share of the training images whose label is guessed, the surest first, where a check with labels "
        "left out allows it; a guess stands where the network itself is not sure; 0: none. Guesses are "
        "carried to classes of known shares: prior=none has none",
        within(0, 1),
    )
    mutual_information: float = setting(
        1.0, "weight of the mutual information between the classes of two views", within(0, 100)
    )
    generator: str = setting(
        NONE,
        "none, or feature_matching: a generator, whose images the classifier tells from real ones",
        one_of(NONE, MATCHING),
    )
    adversarial_weight: float = setting(
        1.0, "weight of the losses on real against generated images", within(0, 100)
    )
    latent_size: int = setting(100, "numbers that the generator makes an image of", at_least(1))


class FewLabels(System):
    """The networks and losses of `few-labels`; images in [-1, 1].

    Attributes:
        side: of the networks' square images.
        kind: of the views.
    """

    classifier = "discriminator"
    settings: Settings

    def __init__(self, settings: Settings, data: DataSpec, dtype: str = "float32") -> None:
        super().__init__(settings, data, dtype)
        self.side = quarterable_side(settings.image_size, data.image_shape)
        self.kind = kind_for(data.image_shape[2]) if settings.views == AUTO else settings.views
        self.shares = shares_of(settings.prior)
        if self.shares is not None and data.num_classes and len(self.shares) != data.num_classes:
            raise UsageError(
                f"recipe.prior gives {len(self.shares)} shares; the data have {data.num_classes} classes."
            )
        if settings.generator != NONE:
            self.generator = "generator"

    def streams(self) -> dict[str, Stream]:
        """Images of all kinds, and labelled ones."""
        s = self.settings
        return {
            "images": Stream(s.batch_size),
            "labelled": Stream(s.labelled_batch, labelled_only=True),
        }

    def guesses_labels(self) -> bool:
        """Whether labels are guessed: where they are asked for, and the classes' shares are known."""
        return self.settings.guesses > 0.0 and self.settings.prior != NONE

    def guess(self, images: np.ndarray, labels: np.ndarray) -> Guesses:
        """Labels carried along neighbours, for the share `guesses` of the images."""
        classes = self.data.num_classes
        shares = shares_to_guess(self.settings.prior, labels, classes)
        return guess_labels(images, labels, classes=classes, shares=shares, sure=self.settings.guesses)

    def build_networks(self) -> Networks:
        """Builds the classifier and, where there is one, the generator."""
        s, classes = self.settings, self.data.num_classes
        shape = (1, self.side, self.side, self.data.image_shape[2])
        averaged = s.last_map == AVERAGED or (s.last_map == AUTO and self.kind in PHOTOS)
        discriminator = StridedClassifier(
            side=self.side, width=s.width, units=classes, averaged=averaged, dtype=self.dtype
        )
        discriminator.alignment = Alignment(classes, dtype="float32")
        discriminator(tf.zeros(shape))
        networks: Networks = {"discriminator": discriminator}
        if s.generator != NONE:
            networks["generator"] = small_generator(self.side, self.data.image_shape[2], s.width, self.dtype)
            networks["generator"](tf.zeros([1, s.latent_size]))
        return networks

    def build_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """Adam for each network; the classifier's rate falls to 0 along half a cosine."""
        s = self.settings
        rate = keras.optimizers.schedules.CosineDecay(s.learning_rate, s.steps)
        optimizers = {
            "discriminator": Adam(rate, beta_2=s.beta_2, weight_decay=s.weight_decay or None),
        }
        optimizers["discriminator"].exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
        if s.generator != NONE:
            optimizers["generator"] = Adam(s.learning_rate / 2.0, beta_1=0.5)
        return optimizers

    def updates(self) -> Sequence[Update]:
        """One update of all networks from one forward pass."""
        return [self._update]

    def _view(self, images: tf.Tensor, step: StepContext, strong: bool) -> tf.Tensor:
        amounts = (STRONG if strong else WEAK)[self.kind]
        return view(pixels.scale(images, -1.0, 1.0, self.side), step, amounts)

    def _update(self, networks: Networks, batches: Mapping[str, Batch], step: StepContext) -> Losses:
        s, classify = self.settings, networks["discriminator"]
        images, labelled = batches["images"], batches["labelled"]
        # one pass, so that weak and strong views are normalised by the same statistics
        parts = [self._view(labelled.image, step, strong=True)]
        parts += [self._view(images.image, step, strong=strong) for strong in (False, True)]
        outputs = classify(tf.concat(parts, 0), training=True)
        sizes = [part.shape[0] for part in parts]
        on_labelled, on_weak, on_strong = tf.split(outputs.logits, sizes)
        supervised = losses.masked_cross_entropy(on_labelled, labelled.label, step)
        targets = trusted_targets(
            classify.alignment,
            on_weak,
            images,
            prior=self._prior(classify.alignment, batches, step),
            threshold=s.threshold,
            adaptive=s.threshold_form == "adaptive",
            step=step,
        )
        trusted = tf.cast(targets >= 0, tf.float32)
        consistency = losses.trusted_cross_entropy(on_strong, tf.maximum(targets, 0), trusted)
        record = {
            "discriminator/supervised": supervised,
            "discriminator/consistency": consistency,
            "discriminator/trusted_share": losses.share(targets >= 0),
            "discriminator/labelled_accuracy": losses.masked_accuracy(on_labelled, labelled.label, step),
        }
        total = supervised + consistency
        if s.mutual_information:
            shared = losses.mutual_information(on_weak, on_strong, step)
            record["discriminator/mutual_information"] = shared
            total -= s.mutual_information * shared
        minimise = {"discriminator": total}
        if s.generator != NONE:
            real = Outputs(on_strong, outputs.features[sizes[0] + sizes[1] :])
            minimise |= self._game(networks, real, step, record)
            minimise["discriminator"] += total
        return Losses(minimise, record)

    def _prior(
        self, alignment: Alignment, batches: Mapping[str, Batch], step: StepContext
    ) -> tf.Tensor | None:
        """The classes' shares float32 [K] that answers are held to, or None."""
        images, prior = batches["images"], self.settings.prior
        if prior == NONE:
            return None
        if self.shares is not None:
            return tf.constant(self.shares, tf.float32)
        if prior == ESTIMATED and images.guess is not None:
            return alignment.labelled_shares(tf.where(images.label >= 0, images.label, images.guess), step)
        if prior in (ESTIMATED, LABELLED):
            return alignment.labelled_shares(batches["labelled"].label, step)
        return tf.ones([self.data.num_classes]) / self.data.num_classes

    def _game(
        self, networks: Networks, real: Outputs, step: StepContext, record: dict[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        s = self.settings
        z = step.normal([real.logits.shape[0], s.latent_size])
        fakes = networks["generator"](z, training=True)
        with step.frozen_statistics():
            fake = networks["discriminator"](view(fakes, step, STRONG[self.kind]), training=True)
        on_real, on_fake = losses.k_logit_real(real.logits), losses.k_logit_fake(fake.logits)
        matching = losses.feature_matching(real.features, fake.features, step)
        record |= {"discriminator/real": on_real, "discriminator/fake": on_fake}
        game = s.adversarial_weight * 0.5 * (on_real + on_fake)
        return {"discriminator": game, "generator": matching}

    def random_views(self, images: tf.Tensor, step: StepContext) -> dict[str, tf.Tensor]:
        """Weak and strong ones."""
        views = {"weak view": False, "strong view": True}
        return {
            name: pixels.unscale(self._view(images, step, strong), -1.0, 1.0)
            for name, strong in views.items()
        }

    def class_logits(self, networks: Networks, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Class logits [B, K]; in training those of strong views."""
        if training:
            images = self._view(images, current_step(), strong=True)
        else:
            images = pixels.scale(images, -1.0, 1.0, self.side)
        return networks["discriminator"](images, training=training).logits

    def real_score(self, networks: Networks, images: tf.Tensor) -> tf.Tensor:
        """sigmoid of the logsumexp of the class logits; without a generator it was not trained to say so."""
        return tf.sigmoid(tf.reduce_logsumexp(self.class_logits(networks, images), -1))

    def latent(self, count: int, seed: int) -> tf.Tensor:
        """Draws z ~ N(0, I).

        Raises:
            UsageError: there is no generator.
        """
        if self.generator is None:
            raise UsageError(
                "few-labels has no generator unless recipe.generator=feature_matching asks for one."
            )
        return tf.random.stateless_normal([count, self.settings.latent_size], [seed, 0])

    def generate(self, networks: Networks, latent: tf.Tensor) -> tf.Tensor:
        """Generates record images in inference mode."""
        return pixels.unscale(networks["generator"](latent), -1.0, 1.0)


RECIPE = Recipe(
    name="few-labels",
    settings=Settings,
    system=FewLabels,
    presets={"small": {"steps": 4000}},
    semi_supervised=True,
    baseline="supervised",
    reproduction=Reproduction(
        settings={"data.dataset": "{mnist}", "data.labels_per_class": 10},
        original="none: a system of this project's own",
        seeds=5,
    ),
)
