"""Guessed labels in a training: made once, kept in a file, the same in memory and streamed."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from ssgan_tf.errors import DataError
from ssgan_tf.file_names import GUESSES
from ssgan_tf.graphs.guesses import Guesses
from ssgan_tf.recipes import load_recipe
from ssgan_tf.records import SCHEMA_VERSION, DatasetInfo, example_bytes, shard_name, write_records
from ssgan_tf.step_context import StepContext
from ssgan_tf.systems.recipe import DataSpec
from ssgan_tf.training.guessed import guesses_to_train_on
from ssgan_tf.training.open_batches import open_batches
from ssgan_tf.training.replicas import ReplicaRange
from ssgan_tf.training.strategy import make_strategy

GIVEN = np.array([0, 1] + [-1] * 118, np.int32)
ROWS = np.arange(120)
GUESSED = np.where((ROWS >= 2) & (ROWS < 60), ROWS % 10, -1).astype(np.int32)


@pytest.fixture(scope="module")
def prepared(digits, tmp_path_factory):
    """120 digits, two of them labelled."""
    folder = tmp_path_factory.mktemp("prepared")
    encoded = tf.io.encode_png(digits[0][:120]).numpy()
    records = (
        example_bytes(png=encoded[i], height=8, width=8, channels=1, label=int(GIVEN[i]), key=str(i))
        for i in range(120)
    )
    shard = write_records(folder / shard_name("train", 0, 1), records)
    document = {
        "schema_version": SCHEMA_VERSION,
        "image_shape": [8, 8, 1],
        "class_names": [str(i) for i in range(10)],
        "splits": {"train": {"count": 120, "labelled": 2, "shards": [shard]}},
    }
    (folder / "dataset.json").write_text(json.dumps(document))
    return DatasetInfo.load(folder)


@pytest.fixture
def system(prepared, monkeypatch):
    """`few-labels` with guesses that are known, and a count of how often they are asked for."""
    recipe = load_recipe("few-labels")
    settings = recipe.configure("small", {"width": 0.0625, "batch_size": 16, "labelled_batch": 8})
    system = recipe.build(settings, DataSpec(prepared.image_shape, 10))
    system.asked = []

    def guess(images, labels):
        np.testing.assert_array_equal(labels, GIVEN)
        system.asked.append(images.shape)
        return Guesses(GUESSED, "58 are guessed")

    monkeypatch.setattr(system, "guess", guess)
    return system


def guesses_of(prepared, system, folder):
    said = []
    found = guesses_to_train_on(prepared, system, make_strategy("default"), folder=folder, say=said.append)
    return found, said


def test_guesses_are_made_once_and_a_resumed_run_takes_the_same(prepared, system, tmp_path):
    found, said = guesses_of(prepared, system, tmp_path)
    np.testing.assert_array_equal(found, GUESSED)
    assert said == ["58 are guessed"] and len(system.asked) == 1
    again, said = guesses_of(prepared, system, tmp_path)
    np.testing.assert_array_equal(again, GUESSED)
    assert said == [] and len(system.asked) == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x93NUMPY broken", "is damaged"),
        (np.zeros(7, np.int32), "not of these data"),
        (np.full(120, 10, np.int32), "not of these data"),
        (np.zeros(120), "not of these data"),
    ],
)
def test_a_file_that_is_none_of_this_run_is_refused(prepared, system, tmp_path, content, words):
    if isinstance(content, bytes):
        (tmp_path / GUESSES).write_bytes(content)
    else:
        np.save(tmp_path / GUESSES, content)
    with pytest.raises(DataError, match=words):
        guesses_of(prepared, system, tmp_path)


def test_where_nothing_could_be_guessed_there_are_none_now_and_when_the_run_goes_on(
    prepared, system, tmp_path, monkeypatch
):
    monkeypatch.setattr(system, "guess", lambda *_: Guesses(np.full(120, -1, np.int32), "not checked"))
    assert guesses_of(prepared, system, tmp_path) == (None, ["not checked"])
    assert guesses_of(prepared, system, tmp_path) == (None, [])


def test_too_many_images_are_not_read_and_that_is_said(prepared, system, tmp_path, monkeypatch):
    monkeypatch.setattr("ssgan_tf.graphs.guesses.MOST_IMAGES", 119)
    found, said = guesses_of(prepared, system, tmp_path)
    assert found is None and system.asked == [] and not (tmp_path / GUESSES).exists()
    assert said == ["no guessed labels: they want 100 to 119 training images, not 120"]


def test_without_guesses_or_in_the_baseline_only_given_labels_count(prepared, system, tmp_path):
    off = load_recipe("few-labels")
    for change in ({"guesses": 0.0}, {"prior": "none"}):
        settings = dataclasses.replace(system.settings, **change)
        assert guesses_of(prepared, off.build(settings, system.data), tmp_path) == (None, [])
    baseline = load_recipe("supervised")
    alone = baseline.build(baseline.configure("small", {"of": "few-labels"}), system.data)
    assert guesses_of(prepared, alone, tmp_path) == (None, [])
    assert not list(tmp_path.iterdir())


def test_batches_hold_the_guessed_labels_in_memory_and_streamed(prepared, system):
    step, taken = StepContext(5, tf.constant(3, tf.int64)), []
    for limit in (10**9, 0):
        batches = open_batches(
            prepared,
            system.streams(),
            seed=5,
            memory_limit=limit,
            replicas=ReplicaRange.of(make_strategy("default")),
            guesses=GUESSED,
        )
        assert batches.streaming == (limit == 0)
        element = next(iter(batches.elements(3))) if batches.streaming else None
        taken.append(
            {name: [v.numpy() for v in batch] for name, batch in batches.local(step, element).items()}
        )
    memory, streamed = taken
    for name in memory:
        for mine, other in zip(memory[name], streamed[name], strict=True):
            np.testing.assert_array_equal(mine, other)
    _, labels, guesses = memory["images"]
    assert not ((labels >= 0) & (guesses >= 0)).any() and (guesses >= 0).sum() > 2
    # given labels have a stream that no guess comes into
    assert set(memory["labelled"][1]) == {0, 1} and set(memory["labelled"][2]) == {-1}
