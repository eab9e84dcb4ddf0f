"""Small real data and loops for the training tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_digits

from ssgan_tf.recipes import load_recipe
from ssgan_tf.systems.recipe import DataSpec
from ssgan_tf.training.batches import MemoryBatches
from ssgan_tf.training.loop import Loop
from ssgan_tf.training.options import LoopOptions
from ssgan_tf.training.strategy import make_strategy


@pytest.fixture(scope="session")
def digits() -> tuple[np.ndarray, np.ndarray]:
    """Bundled digits: uint8 [1797, 8, 8, 1], and labels of which only the first 300 are known."""
    data = load_digits()
    images = (data.images * (255 / 16)).round().astype(np.uint8)[..., np.newaxis]
    labels = data.target.astype(np.int32)
    labels[300:] = -1
    return images, labels


@pytest.fixture
def make_loop(digits: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> Callable[..., Loop]:
    """Builds a loop over the digits: recipe, its settings, strategy, precision, options."""

    def make(
        recipe: str = "ssgan",
        *,
        folder: Path | None = None,
        strategy: tf.distribute.Strategy | None = None,
        dtype: str = "float32",
        seed: int = 3,
        steps: int = 20,
        options: dict[str, Any] | None = None,
        **settings: Any,
    ) -> Loop:
        chosen = load_recipe(recipe)
        if recipe in ("ssgan", "supervised"):
            settings = {"width": 0.0625, "batch_size": 16, "labelled_batch": 16} | settings
        configured = chosen.configure("small", {"steps": steps} | settings)
        system = chosen.build(configured, DataSpec((8, 8, 1), 10), dtype)
        batches = MemoryBatches(*digits, system.streams(), seed)
        loop_options = LoopOptions(steps=steps, **({"checkpoint_every": 10} | (options or {})))
        return Loop(
            system,
            batches,
            strategy or make_strategy("default"),
            loop_options,
            seed=seed,
            folder=folder or tmp_path / "run",
        )

    return make


def weights(loop: Loop) -> dict[str, np.ndarray]:
    """Every number that decides the rest of a run."""
    return {name: variable.numpy() for name, variable in loop.checkpoints.variables.items()}


@pytest.fixture(scope="session")
def state_of() -> Callable[[Loop], dict[str, np.ndarray]]:
    """Reads every variable of a loop."""
    return weights
