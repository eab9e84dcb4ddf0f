"""The train stage checks before the first step what can be known before it; every error has its exit code."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from pipeline.errors import (
    DataError,
    GanpipeError,
    GateRefused,
    Interrupted,
    TrainingDiverged,
    UsageError,
    WorkerLost,
    exit_code,
    message,
)
from pipeline.stages.train import stage as train
from pipeline.stages.train.planned import check_training, in_full, system_of
from pipeline.stages.train.settings import TrainConfig
from pipeline.stages.train.stage import epoch_in_words
from pipeline.terminal import Terminal
from ssgan_tf.declare import build
from ssgan_tf.errors import DamagedData, NoLabels
from ssgan_tf.records import SCHEMA_VERSION, DatasetInfo
from ssgan_tf.training.batches import MemoryBatches
from ssgan_tf.training.options import LoopOptions
from ssgan_tf.training.renewed_statistics import RenewedStatistics
from ssgan_tf.training.trained import TrainingRecord


def described(classes=("cat", "dog"), count=40, labelled=20, shape=(8, 8, 1)):
    splits = {"train": {"count": count, "labelled": labelled, "shards": []}}
    return DatasetInfo(Path("somewhere"), shape, tuple(classes), splits, {})


@pytest.mark.parametrize(
    ("config", "settings", "data", "kind", "words"),
    [
        ({}, {"loss": "nonsense"}, None, UsageError, "recipe.loss must be one of faithful, k_logits"),
        ({"preset": "smal"}, {}, None, UsageError, "Did you mean 'small'"),
        ({"recipe": "gann"}, {}, None, UsageError, "Did you mean 'gan'"),
        ({}, {}, {"classes": ()}, UsageError, "classifies, but 'somewhere' has no classes"),
        ({}, {}, {"classes": ("cat",)}, DataError, "one class only: 'cat'"),
        ({"recipe": "supervised"}, {}, {"classes": ("cat",)}, DataError, "one class only: 'cat'"),
        ({}, {}, {"count": 0, "labelled": 0}, DataError, "holds no image"),
        ({}, {}, {"labelled": 0}, NoLabels, "has a label, and recipe ssgan trains on labelled images"),
        ({"replicas": 2}, {}, {}, UsageError, "replicas=2 needs train.strategy=mirrored"),
        ({"epochs": 2, "steps": 7}, {}, {}, UsageError, "either train.epochs or a number of steps"),
        ({"epochs": 2}, {"steps": 7}, None, UsageError, "either train.epochs or a number of steps"),
        (
            {"strategy": "multiworker", "workers": "a:1,b:1"},
            {},
            {},
            UsageError,
            "worker_index must be 0 to 1",
        ),
        ({"recipe": "gaussian"}, {}, {}, UsageError, "data.dataset=gaussian"),
    ],
)
def test_what_cannot_train_is_refused_before_a_network_is_built(
    monkeypatch, config, settings, data, kind, words
):
    monkeypatch.setattr(tf.keras.Model, "__init__", lambda *_, **__: pytest.fail("a network is built"))
    with pytest.raises(kind, match=words):
        check_training(
            dataclasses.replace(TrainConfig(), **config),
            settings,
            described(**data) if data is not None else None,
        )


@pytest.mark.parametrize(
    ("recipe", "data"),
    [
        ("ssgan", {}),
        # a stream is endless: few labels fill a batch again and again
        ("ssgan", {"labelled": 2}),
        ("gan", {"classes": (), "labelled": 0}),
        ("dcgan", {"classes": ("cat",)}),
    ],
)
def test_what_can_train_passes(recipe, data):
    planned = check_training(TrainConfig(recipe=recipe, steps=7, batch_size=6), {}, described(**data))
    assert planned.options.steps == planned.settings.steps == 7
    assert planned.settings.batch_size == 6


def test_few_images_are_shown_150_times_by_default_and_as_often_to_the_baseline():
    few = described(count=40)
    for recipe, settings in (("ssgan", {}), ("supervised", {"of": "ssgan"})):
        planned = check_training(TrainConfig(recipe=recipe), settings, few)
        assert planned.settings.batch_size == 40
        assert planned.settings.steps == planned.options.steps == 150
        assert planned.fewer_steps
        asked = check_training(TrainConfig(recipe=recipe, steps=999, batch_size=64), settings, few)
        assert (asked.settings.steps, asked.settings.batch_size) == (999, 64) and not asked.fewer_steps
        whole = check_training(TrainConfig(recipe=recipe, preset="full"), settings, few)
        assert (whole.settings.steps, whole.settings.batch_size) == (3283, 128)
        many = check_training(TrainConfig(recipe=recipe), settings, described(count=1437))
        assert many.settings == check_training(TrainConfig(recipe=recipe), settings).settings


@pytest.mark.parametrize(
    ("config", "settings", "sizes"),
    [
        ({"strategy": "mirrored", "replicas": 3}, {}, (63, 33)),
        ({"strategy": "mirrored", "replicas": 5}, {}, (65, 30)),
        ({"strategy": "mirrored", "replicas": 6}, {"labelled_batch": 0}, (66, 0)),
        ({"strategy": "mirrored", "replicas": 7, "batch_size": 2}, {}, (7, 35)),
        ({"strategy": "mirrored", "replicas": 2}, {"labelled_batch": 7}, (64, 8)),
        ({"strategy": "multiworker", "workers": "a:1,b:1,c:1", "worker_index": 0}, {}, (63, 33)),
    ],
)
def test_batches_become_the_nearest_that_the_replicas_can_share_and_that_is_said(config, settings, sizes):
    wanted = {
        "batch_size": config.get("batch_size", 64),
        "labelled_batch": settings.get("labelled_batch", 32),
    }
    for recipe, more in (("ssgan", {}), ("supervised", {"of": "ssgan"})):
        planned = check_training(TrainConfig(recipe=recipe, **config), settings | more, described(count=1437))
        described_settings = planned.recipe.describe(planned.settings)
        assert (described_settings["batch_size"], described_settings["labelled_batch"]) == sizes
        changed = {name for name, size in zip(wanted, sizes, strict=True) if size != wanted[name]}
        said = planned.remarks(40)
        assert all(any(f"recipe.{name} is" in line for line in said) for name in changed)
        assert len(planned.other_batches) == len(changed)


def test_epochs_become_steps_and_as_many_for_the_baseline():
    data = described(count=1000)
    for recipe, more in (("ssgan", {}), ("supervised", {"of": "ssgan"}), ("gan", {})):
        config = TrainConfig(recipe=recipe, epochs=3, batch_size=64)
        # 46 steps show 2,944 images
        planned = check_training(config, more, data)
        assert planned.settings.steps == planned.options.steps == 47 and not planned.fewer_steps
    # what is asked for is not cut to 200 passes
    few = check_training(TrainConfig(epochs=500, batch_size=64), {}, described(count=64))
    assert few.settings.steps == 500
    # the batch that the replicas share counts
    config = TrainConfig(epochs=3, batch_size=64, strategy="mirrored", replicas=3)
    assert check_training(config, {}, data).settings.steps == -(-3000 // 63)


def test_an_epoch_is_told_in_one_line():
    values = {
        "discriminator/real": 1.0,
        "discriminator/labelled_accuracy": 0.978,
        "discriminator/loss": 1.23456,
        "generator/loss": 0.5,
        "validation/accuracy": 0.9,
    }
    assert epoch_in_words(values) == (
        "discriminator loss 1.235, generator loss 0.5, training-batch accuracy 97.8 %, "
        "validation accuracy 90.0 %"
    )


def test_a_training_is_not_continued_with_another_batch(tmp_path):
    record = TrainingRecord("gan", {"batch_size": 64, "steps": 9}, (8, 8, 1), (), "float32", 0, {})
    other = dataclasses.replace(record, settings={"batch_size": 63, "steps": 9})
    train._check_continues(record, record)
    with pytest.raises(UsageError, match="begun with recipe.batch_size 64; here it would be 63"):
        train._check_continues(record, other)


def test_defaults_of_the_loop_stand_in_one_place():
    planned = check_training(TrainConfig(), {})
    assert planned.options == LoopOptions(steps=planned.settings.steps)
    assert check_training(TrainConfig(recipe="gaussian"), {}).options.average_decay == 0.995
    assert check_training(TrainConfig(average_decay=0.9), {}).options.average_decay == 0.9


def test_a_preset_names_intervals_and_the_run_wins():
    def options(recipe, preset="documented", settings=None, **given):
        config = TrainConfig(recipe=recipe, preset=preset, **given)
        chosen = check_training(config, settings or {}).options
        return chosen.histogram_every, chosen.image_every, chosen.average_decay

    assert options("gan") == (100, 1000, 0.0)
    assert options("gan", image_every=70, average_decay=0.9) == (100, 70, 0.9)
    assert options("gan", "full") == options("gan", "small") == (500, 500, 0.999)
    assert options("supervised", settings={"of": "sgan"}) == options("sgan") == (500, 234, 0.0)
    assert options("gaussian", settings={"average_decay": 0.5}) == (500, 500, 0.5)


def test_renewed_statistics_are_a_setting_of_all_recipes_and_of_the_baseline():
    for recipe, settings in (("ssgan", {}), ("supervised", {"of": "ssgan"}), ("sgan", {})):
        usual, config = TrainConfig(recipe=recipe), TrainConfig(recipe=recipe, batch_statistics="renewed")
        assert check_training(usual, settings).options.batch_statistics == "moving"
        assert check_training(config, settings).options.batch_statistics == "renewed"
    with pytest.raises(UsageError, match=r"batch_statistics must be one of moving, renewed; got 'new'"):
        check_training(build(TrainConfig, {"batch_statistics": "new"}), {})


def test_training_says_what_renewed_statistics_are_measured_over(tmp_path):
    images = np.zeros((40, 8, 8, 1), np.uint8)
    labels = np.where(np.arange(40) < 12, np.arange(40) % 2, -1).astype(np.int32)
    said = {}
    for recipe, settings in (("ssgan", {}), ("supervised", {"of": "ssgan"}), ("sgan", {}), ("gan", {})):
        planned = check_training(TrainConfig(recipe=recipe), {"batch_size": 8, **settings})
        system = system_of(planned, described())
        batches = MemoryBatches(images, labels, system.streams(), 0)
        renewed = RenewedStatistics(system, batches, [system.build_networks()])
        said[recipe] = train._renewal_in_words(renewed, recipe)
    assert "measured over 40 training images" in said["ssgan"]
    assert "measured over 12 training images" in said["supervised"]
    assert "--batch-statistics renewed changes nothing of recipe sgan" in said["sgan"]
    assert "changes nothing of recipe gan" in said["gan"]


def test_the_stage_refuses_before_it_writes(tmp_path):
    document = {
        "schema_version": SCHEMA_VERSION,
        "image_shape": [8, 8, 1],
        "class_names": ["cat"],
        "splits": {"train": {"count": 10, "labelled": 10, "shards": []}},
    }
    (tmp_path / "dataset.json").write_text(json.dumps(document))
    output = tmp_path / "out"
    output.mkdir()
    with pytest.raises(DataError, match="one class only"):
        train.run(TrainConfig(), {}, seed=0, data=tmp_path, output=output, terminal=Terminal(quiet=True))
    assert not list(output.iterdir())


def test_every_error_has_its_exit_code():
    codes = {
        GanpipeError: 1,
        UsageError: 2,
        DataError: 3,
        DamagedData: 3,
        NoLabels: 3,
        TrainingDiverged: 4,
        GateRefused: 5,
        WorkerLost: 6,
        Interrupted: 130,
        KeyError: 1,
    }
    assert {kind: exit_code(kind("x")) for kind in codes} == codes


def test_the_remedy_follows_the_message():
    assert message(DataError("x is wrong.")) == "x is wrong."
    assert message(DamagedData("x is cut off.")) == "x is cut off. Run `ganpipe preprocess` again."
    assert message(NoLabels("no label.")).startswith("no label. Give labels (--labels-per-class")


def test_two_ways_of_asking_for_the_same_training_are_equal():
    plain = in_full(TrainConfig(), {})
    assert plain == in_full(TrainConfig(batch_size=64, average_decay=0.999), {"loss": "k_logits"})
    assert plain != in_full(TrainConfig(preset="full"), {})
    # how many steps none stands for depends on the data
    assert plain["steps"] is None
    assert in_full(TrainConfig(steps=3), {"steps": 9}) == in_full(TrainConfig(), {"steps": 3})


def test_views_are_a_setting_of_all_recipes_that_take_them_of_a_kind():
    few = TrainConfig(recipe="few-labels", views="natural")
    assert check_training(few, {}).settings.views == "natural"
    baseline = check_training(dataclasses.replace(few, recipe="supervised"), {"of": "few-labels"})
    assert baseline.settings.pair.views == "natural"
    # what is said of one recipe stands before what is said of all
    assert check_training(few, {"views": "none"}).settings.views == "none"
    assert in_full(few, {}) == in_full(TrainConfig(recipe="few-labels"), {"views": "natural"})
    assert in_full(few, {}) != in_full(TrainConfig(recipe="few-labels"), {})
    other = check_training(TrainConfig(views="natural"), {})
    assert other.settings == check_training(TrainConfig(), {}).settings
    assert any("--views natural changes nothing of recipe ssgan" in line for line in other.remarks(40))
    assert in_full(TrainConfig(views="natural"), {}) == in_full(TrainConfig(), {})
