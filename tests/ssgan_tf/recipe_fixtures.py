"""Every recipe in its smallest form, on data that it takes."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from ssgan_tf import points
from ssgan_tf.recipes import load_recipe, recipe_names
from ssgan_tf.step_context import StepContext
from ssgan_tf.systems.recipe import DataSpec, System
from ssgan_tf.training.batches import MemoryBatches

# recipes of their own, and the baseline of each that has one
FORMS = [(name, {}) for name in recipe_names() if name != "supervised"] + [
    ("supervised", {"of": name}) for name in recipe_names() if load_recipe(name).baseline
]
IDS = ["-".join([name, *settings.values()]) for name, settings in FORMS]

# layers and updates that the preset `small` has not, of the documents
DOCUMENTED = [
    ("ssgan", {"loss": "faithful", "update": "alternating"}),
    ("dcgan", {"form": "text", "update": "separate"}),
    ("dcgan", {"form": "listing", "update": "separate"}),
    ("sgan", {"output_bias": "none"}),
]
DOCUMENTED_IDS = ["-".join([name, *settings.values()]) for name, settings in DOCUMENTED]


def image_shape(recipe: str) -> tuple[int, int, int]:
    """The smallest images that a recipe takes here."""
    return points.POINT_SHAPE if recipe == "gaussian" else (8, 8, 1)


def build(recipe: str, classes: int = 10, dtype: str = "float32", **settings) -> System:
    """A recipe's system with its `small` settings and the narrowest layers."""
    chosen = load_recipe(recipe)
    names = load_recipe(settings.get("of", recipe)).settings.__dataclass_fields__
    narrow = {"width": 0.0625, "batch_size": 16, "labelled_batch": 8, "latent_size": 8}
    if names.get("generator"):
        narrow["generator"] = "feature_matching"
    settings = {key: value for key, value in narrow.items() if key in names} | settings
    return chosen.build(chosen.configure("small", settings), DataSpec(image_shape(recipe), classes), dtype)


def batches_of(system: System, recipe: str, seed: int = 0) -> MemoryBatches:
    """64 random images (or points), half of them labelled, in the system's streams."""
    random = np.random.default_rng(seed)
    if recipe == "gaussian":
        images = points.to_records(points.draw_points(64, seed))
    else:
        images = random.integers(0, 256, (64, *image_shape(recipe)), dtype=np.uint8)
    labels = np.where(np.arange(64) % 2 == 0, random.integers(0, 10, 64), -1).astype(np.int32)
    return MemoryBatches(images, labels, system.streams(), seed)


def first_step(seed: int = 0) -> StepContext:
    """The context of step 0."""
    return StepContext(seed, tf.constant(0, tf.int64))
