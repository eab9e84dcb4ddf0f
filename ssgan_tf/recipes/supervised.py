"""The paired supervised baseline: another recipe's classifier, trained on the labelled images only.

Settings:  train.recipe=supervised
Cost:      about a fifth of its semi-supervised pair's step.
Expected:  a higher test error than its pair's; that difference is what the unlabelled images gave.
Losses:    l, the pair's class logits; (x, y) labelled images
           D minimises  E -log softmax(l(x))_y

Same network, same settings, same number of steps, same batch size; no unlabelled image and no generator.
`recipe.of` names the pair; every other setting is the pair's own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from ssgan_tf import losses
from ssgan_tf.declare import setting
from ssgan_tf.errors import UsageError
from ssgan_tf.recipes import load_recipe
from ssgan_tf.step_context import StepContext
from ssgan_tf.systems.recipe import (
    Batch,
    DataSpec,
    Losses,
    Networks,
    Recipe,
    Stream,
    System,
    Update,
)


@dataclass(frozen=True)
class Settings:
    """The pair's name and its settings; `steps` and `batch_size` are the pair's."""

    of: str = setting("ssgan", "the semi-supervised recipe whose classifier is trained")
    pair: Any = None
    steps: int = 1
    batch_size: int = 1


class Supervised(System):
    """A pair's classifier under softmax cross-entropy on labelled images."""

    classifier = "discriminator"
    settings: Settings

    def __init__(self, settings: Settings, data: DataSpec, dtype: str = "float32") -> None:
        super().__init__(settings, data, dtype)
        self.pair = load_recipe(settings.of).build(settings.pair, data, dtype)
        self._name = str(self.pair.classifier)

    def streams(self) -> dict[str, Stream]:
        """Labelled images only."""
        return {"labelled": Stream(self.settings.batch_size, labelled_only=True)}

    def build_networks(self) -> Networks:
        """Builds the pair's classifier."""
        return {"discriminator": self.pair.build_networks()[self._name]}

    def build_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """The pair's own optimizer for its classifier."""
        return {"discriminator": self.pair.build_optimizers()[self._name]}

    def initialise(self, networks: Networks, images: tf.Tensor) -> None:
        """Initialises the classifier as the pair does."""
        self.pair.initialise(networks, images)

    def updates(self) -> Sequence[Update]:
        """One update of the classifier."""
        return [self._update]

    def _update(self, networks: Networks, batches: Mapping[str, Batch], step: StepContext) -> Losses:
        batch = batches["labelled"]
        logits = self.class_logits(networks, batch.image, training=True)
        loss = losses.masked_cross_entropy(logits, batch.label, step)
        accuracy = losses.masked_accuracy(logits, batch.label, step)
        return Losses(
            {"discriminator": loss},
            {"discriminator/supervised": loss, "discriminator/labelled_accuracy": accuracy},
        )

    def random_views(self, images: tf.Tensor, step: StepContext) -> dict[str, tf.Tensor]:
        """The pair's."""
        return self.pair.random_views(images, step)

    def class_logits(self, networks: Networks, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """The pair's class logits [B, K]."""
        return self.pair.class_logits(networks, images, training)

    def features(self, networks: Networks, images: tf.Tensor) -> tf.Tensor:
        """The pair's features [B, F]."""
        return self.pair.features(networks, images)


class SupervisedRecipe(Recipe):
    """A recipe whose settings are those of the pair that `of` names."""

    def configure(self, preset: str, overrides: Mapping[str, Any]) -> Settings:
        """Builds the settings; all but `of` go to the pair, which checks them."""
        rest = dict(overrides)
        of = rest.pop("of", "ssgan")
        recipe = load_recipe(of)
        if not recipe.semi_supervised:
            raise UsageError(f"recipe.of must be a semi-supervised recipe; got {of!r}.")
        pair = recipe.configure(preset, rest)
        return Settings(of=of, pair=pair, steps=pair.steps, batch_size=pair.batch_size)

    def pair(self, overrides: Mapping[str, Any]) -> str:
        """The recipe whose classifier is trained."""
        return str(overrides.get("of", "ssgan"))

    def loop_options(self, preset: str, settings: Settings) -> dict[str, Any]:
        """The pair's."""
        return load_recipe(settings.of).loop_options(preset, settings.pair)

    def describe(self, settings: Settings) -> dict[str, Any]:
        """Returns the pair's settings and its name."""
        return {"of": settings.of, **dataclasses.asdict(settings.pair)}


RECIPE = SupervisedRecipe(name="supervised", settings=Settings, system=Supervised, presets={})
