"""A small prepared data set, a model trained on it for a few steps, and its export, made once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_digits

from pipeline.sources.source import content_digest
from pipeline.stages.export import stage as export
from pipeline.stages.export.settings import ExportConfig
from pipeline.terminal import Terminal
from ssgan_tf.metrics.figures import CLASSIFICATION, Figure, document
from ssgan_tf.recipes import load_recipe
from ssgan_tf.records import SCHEMA_VERSION, DatasetInfo, example_bytes, read_split, shard_name, write_records
from ssgan_tf.systems.recipe import DataSpec
from ssgan_tf.training.batches import MemoryBatches
from ssgan_tf.training.loop import Loop
from ssgan_tf.training.options import LoopOptions
from ssgan_tf.training.trained import TrainingRecord

CLASSES = tuple(f"digit {k}" for k in range(10))
SHAPE = (8, 8, 1)


def digit_images(count: int) -> tuple[np.ndarray, np.ndarray]:
    """The first bundled digits: uint8 [count, 8, 8, 1] and labels."""
    found = load_digits()
    images = np.round(found.images * (255 / 16)).astype(np.uint8)[..., np.newaxis]
    return images[:count], found.target[:count]


def write_split(folder: Path, name: str, images: np.ndarray, labels: np.ndarray) -> dict:
    """Writes one split as a single shard; returns its part of dataset.json."""
    height, width, channels = images.shape[1:]
    records = [
        example_bytes(
            png=tf.io.encode_png(image).numpy(),
            height=height,
            width=width,
            channels=channels,
            label=int(label),
            key=content_digest(image),
        )
        for image, label in zip(images, labels, strict=True)
    ]
    shard = write_records(folder / shard_name(name, 0, 1), records)
    return {"count": len(records), "labelled": int((labels >= 0).sum()), "shards": [shard]}


def untrained(folder: Path, recipe: str = "ssgan", shape: tuple[int, int, int] = SHAPE, **settings) -> Loop:
    """A loop over random images, ready to save; its training record is written."""
    chosen = load_recipe(recipe)
    configured = chosen.configure("small" if "small" in chosen.presets else "full", settings)
    system = chosen.build(configured, DataSpec(shape, len(CLASSES)))
    folder.mkdir(parents=True, exist_ok=True)
    record = TrainingRecord(recipe, chosen.describe(configured), shape, CLASSES, "float32", 7, {})
    record.save(folder)
    images, labels = digit_images(400)
    batches = MemoryBatches(images, labels.astype(np.int32), system.streams(), 7)
    return Loop(
        system,
        batches,
        tf.distribute.get_strategy(),
        LoopOptions(steps=configured.steps),
        seed=7,
        folder=folder,
    )


@pytest.fixture(scope="session")
def prepared_digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared data: 400 training and 150 test digits."""
    folder = tmp_path_factory.mktemp("data")
    images, labels = digit_images(550)
    splits = {
        "train": write_split(folder, "train", images[:400], labels[:400]),
        "test": write_split(folder, "test", images[400:], labels[400:]),
    }
    document = {
        "schema_version": SCHEMA_VERSION,
        "source": {"name": "digits"},
        "image_shape": SHAPE,
        "class_names": CLASSES,
        "splits": splits,
        "labelled_digest": "0123abcd",
    }
    (folder / "dataset.json").write_text(json.dumps(document))
    return folder


@pytest.fixture(scope="session")
def trained_digits(made_once) -> Path:
    """A narrow `ssgan` after some steps: right more often than not."""
    settings = {"width": 0.0625, "steps": 60, "batch_size": 32, "labelled_batch": 64, "learning_rate": 3e-3}
    return made_once("trained_digits", lambda folder: untrained(folder, **settings).run())


@pytest.fixture(scope="session")
def digit_test_images(prepared_digits: Path) -> np.ndarray:
    """The test split's images uint8 [150, 8, 8, 1]."""
    return read_split(DatasetInfo.load(prepared_digits), "test").images


@pytest.fixture(scope="session")
def exported(prepared_digits: Path, trained_digits: Path, made_once) -> tuple[Path, dict]:
    """An export with its LiteRT form: (folder, summary)."""
    made = made_once("exported", lambda folder: _export(folder, prepared_digits, trained_digits))
    return made / "export", json.loads((made / "summary.json").read_text())


def _export(made: Path, data: Path, model: Path) -> None:
    folder, evaluated = made / "export", made / "evaluate"
    folder.mkdir()
    evaluated.mkdir()
    figure = Figure("error", 0.125, "error", "fraction", interval=(0.08, 0.19))
    values, described = document(CLASSIFICATION, [figure])
    metrics = values | {"count": 150, "split": "test", "temperature": 1.0, "figures": described}
    (evaluated / "metrics.json").write_text(json.dumps(metrics))
    summary = export.run(
        ExportConfig(version=3, format="savedmodel,tflite"),
        model=model,
        data=data,
        metrics=evaluated,
        output=folder,
        terminal=Terminal(quiet=True),
    )
    text = json.dumps(summary)
    assert json.loads(text) == summary
    (made / "summary.json").write_text(text)


@pytest.fixture
def exported_copy(exported, tmp_path: Path) -> Path:
    """A copy of the export to break."""
    return Path(shutil.copytree(exported[0], tmp_path / "export"))
