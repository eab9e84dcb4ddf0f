"""What a recipe is: settings, and a system built from them for a data set.

A recipe gives networks, losses and settings. The loop (`ssgan_tf.training`) gives strategy, precision,
loss scaling, averaging, checkpoints and summaries.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from ssgan_tf import declare, plots
from ssgan_tf.errors import UsageError, unknown
from ssgan_tf.graphs.guesses import Guesses
from ssgan_tf.metrics.figures import Figure
from ssgan_tf.step_context import StepContext

Networks = dict[str, keras.Model]


@dataclass(frozen=True)
class DataSpec:
    """What a system must know of its data: record image shape (H, W, C), and K classes (0: none)."""

    image_shape: tuple[int, int, int]
    num_classes: int


@dataclass(frozen=True)
class Stream:
    """A shuffled, endless stream of training images that a step takes `batch_size` of (globally)."""

    batch_size: int
    labelled_only: bool = False


class Batch(NamedTuple):
    """One replica's part of a stream.

    Attributes:
        image: uint8 [B, H, W, C].
        label: the given ones, int32 [B], -1 unlabelled.
        guess: guessed labels of images that have none, int32 [B], -1 elsewhere; None: nothing was guessed.
    """

    image: tf.Tensor
    label: tf.Tensor
    guess: tf.Tensor | None = None


class Losses(NamedTuple):
    """What an update computes: a scalar to minimise for each network, and scalars to record.

    What several updates of a step record under one name, or minimise for one network, is recorded as its
    mean.
    """

    minimise: dict[str, tf.Tensor]
    record: dict[str, tf.Tensor]


Update = Callable[[Networks, Mapping[str, Batch], StepContext], Losses]


class System(abc.ABC):
    """A recipe's networks and losses, built for one data set.

    Attributes:
        settings: the recipe's settings.
        data: shapes of the data.
        dtype: Keras dtype policy of the layers, such as "float32" or "mixed_float16".
        classifier: name of the network that classifies, or None for an unsupervised system.
        generator: name of the network that generates, or None.
        grid_side: images along a side of the grid of samples.
    """

    classifier: ClassVar[str | None] = None
    generator: str | None = None
    grid_side: int = 5

    def __init__(self, settings: Any, data: DataSpec, dtype: str = "float32") -> None:
        self.settings, self.data, self.dtype = settings, data, dtype

    @abc.abstractmethod
    def streams(self) -> dict[str, Stream]:
        """The streams of training images that each step takes a batch of."""

    @abc.abstractmethod
    def build_networks(self) -> Networks:
        """Builds fresh networks with all their variables."""

    @abc.abstractmethod
    def build_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """Builds one optimizer for each trained network."""

    @abc.abstractmethod
    def updates(self) -> Sequence[Update]:
        """The updates of one step, in order; each may train several networks from one forward pass."""

    def initialise(self, networks: Networks, images: tf.Tensor) -> None:  # noqa: B027
        """Sets data-dependent initial weights from up to 512 record images uint8 [N, H, W, C]."""

    def guesses_labels(self) -> bool:
        """Whether `guess` may guess labels of training images that have none."""
        return False

    def guess(self, images: np.ndarray, labels: np.ndarray) -> Guesses:
        """Labels of images that have none, a function of the training images and their labels alone.

        Args:
            images: record images uint8 [N, H, W, C] of the training split.
            labels: int32 [N], -1 unlabelled.
        """
        raise UsageError(f"{type(self).__name__} guesses no labels.")

    def random_views(self, images: tf.Tensor, step: StepContext) -> dict[str, tf.Tensor]:
        """What training makes of record images uint8 [N, H, W, C]: views uint8 [N, S, S, C] by their names.

        Empty where each image is trained on as it is.
        """
        return {}

    def class_logits(self, networks: Networks, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Class logits float32 [B, K] for record images uint8 or float 0..255 [B, H, W, C].

        The fake class is never among them. With `training` the layers drop out and add noise from the
        entered `StepContext`; the paired supervised baseline trains through this.
        """
        raise UsageError(
            f"{type(self).__name__} has no classifier: it is trained without labels and only generates. "
            "Recipes that classify are, for example, ssgan and improved-gan."
        )

    def real_score(self, networks: Networks, images: tf.Tensor) -> tf.Tensor:
        """The discriminator's probability [B] in [0, 1] that record images look like training images."""
        return tf.ones([tf.shape(images)[0]], tf.float32)

    def features(self, networks: Networks, images: tf.Tensor) -> tf.Tensor:
        """What the classifier sees in record images: the layer before its logits, float32 [B, F].

        The class logits themselves, where a system says nothing else.
        """
        return self.class_logits(networks, images)

    def latent(self, count: int, seed: int) -> tf.Tensor:
        """Draws `count` latent vectors float32 [count, Z], a function of the seed alone."""
        raise UsageError(f"{type(self).__name__} has no generator.")

    def generate(self, networks: Networks, latent: tf.Tensor) -> tf.Tensor:
        """Generates images uint8 [B, H', W', C] from latent vectors [B, Z], in inference mode."""
        raise UsageError(f"{type(self).__name__} has no generator.")

    def picture(self, networks: Networks, seed: int, real: tf.Tensor) -> np.ndarray:
        """Draws what the generator makes, uint8 [H, W, 1 or 3]; by default a square grid of samples.

        Args:
            networks: the system's networks.
            seed: of the latent vectors.
            real: record images uint8 [N, H, W, C] of the training split, for systems that compare.
        """
        return plots.grid(np.asarray(self.generate(networks, self.latent(self.grid_side**2, seed))))

    def vectors(self, images: np.ndarray) -> np.ndarray:
        """Record images uint8 [N, H, W, C] as the float32 vectors [N, D] that distances are measured on."""
        return images.reshape(len(images), -1).astype(np.float32) / 255.0

    def sample_figures(self, images: np.ndarray) -> Iterable[Figure]:
        """Yields figures of the system's own about generated images; none by default.

        Args:
            images: uint8 [N, H, W, C], record images of at most 32 pixels a side (larger ones reduced).
        """
        return ()


@dataclass(frozen=True)
class Reproduction:
    """How a recipe's documented result is measured again (`tools/reproduce.py`).

    Attributes:
        settings: of the run, by their dotted names, beside the recipe's name; "{mnist}" stands for the data
            set that holds MNIST.
        original: what the original showed, in words.
        seeds: how many runs, each with another seed.
    """

    settings: Mapping[str, Any]
    original: str
    seeds: int = 1


@dataclass(frozen=True)
class Recipe:
    """A named system.

    Attributes:
        name: what `train.recipe` names.
        settings: frozen dataclass of `declare.setting`s, at least `steps` and `batch_size`; its defaults are
            the preset "full".
        system: the class that builds it.
        presets: named overrides of the defaults: "documented", the system as its document has it, and
            "small", which trains on two cores; "full" is always there.
        loop: settings of the loop (`LoopOptions`) that a preset names, by the preset; a run's own win.
        semi_supervised: whether it trains a classifier from labelled and unlabelled images.
        baseline: name of the recipe that is its paired supervised baseline, or None.
        reproduction: how its documented result is measured again, or None.
    """

    name: str
    settings: type
    system: type[System]
    presets: Mapping[str, Mapping[str, Any]]
    semi_supervised: bool = False
    baseline: str | None = None
    loop: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    reproduction: Reproduction | None = None

    @property
    def needs_labels(self) -> bool:
        """Whether the system classifies and so needs classes."""
        return self.system.classifier is not None

    @property
    def all_presets(self) -> dict[str, Mapping[str, Any]]:
        """The presets by name, with "full"."""
        return {**self.presets, "full": self.presets.get("full", {})}

    def configure(self, preset: str, overrides: Mapping[str, Any]) -> Any:
        """Builds the settings: defaults, then the preset, then the overrides.

        Raises:
            UsageError: unknown preset or setting, or a value that its rule does not allow.
        """
        presets = self.all_presets
        if preset not in presets:
            raise unknown(f"preset of recipe {self.name}", preset, presets)
        return declare.build(self.settings, {**presets[preset], **overrides}, "recipe")

    def pair(self, overrides: Mapping[str, Any]) -> str | None:
        """Name of the recipe that this one, with these settings, is the baseline of; None: of none."""
        return None

    def loop_options(self, preset: str, settings: Any) -> dict[str, Any]:
        """Settings of the loop where the run names none: those of the preset, and the recipe's own."""
        own = {"average_decay": settings.average_decay} if hasattr(settings, "average_decay") else {}
        return {**self.loop.get(preset, {}), **own}

    def describe(self, settings: Any) -> dict[str, Any]:
        """Returns settings as plain values that `configure("full", ...)` turns into the same settings."""
        return dataclasses.asdict(settings)

    def build(self, settings: Any, data: DataSpec, dtype: str = "float32") -> System:
        """Builds the system for a data set; creates no variables yet."""
        return self.system(settings, data, dtype)
