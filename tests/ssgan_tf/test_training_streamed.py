"""Images streamed from shards give the same batches, and so the same weights, as images in memory."""

import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from ssgan_tf.errors import DataError
from ssgan_tf.recipes import load_recipe
from ssgan_tf.records import (
    SCHEMA_VERSION,
    DatasetInfo,
    example_bytes,
    iterate_records,
    shard_name,
    write_records,
)
from ssgan_tf.step_context import StepContext
from ssgan_tf.systems.recipe import DataSpec
from ssgan_tf.tfrecord import label_in
from ssgan_tf.training.loop import Loop
from ssgan_tf.training.open_batches import open_batches
from ssgan_tf.training.options import LoopOptions
from ssgan_tf.training.replicas import ReplicaRange
from ssgan_tf.training.strategy import make_strategy
from ssgan_tf.training.streamed_batches import RecordIndex


@pytest.fixture(scope="module")
def prepared(digits, tmp_path_factory):
    """The digits as prepared data in three shards."""
    folder = tmp_path_factory.mktemp("prepared")
    images, labels = digits
    encoded = tf.io.encode_png(images).numpy()
    shards = []
    for number, rows in enumerate(np.array_split(np.arange(len(images)), 3)):
        records = (
            example_bytes(png=encoded[i], height=8, width=8, channels=1, label=int(labels[i]), key=str(i))
            for i in rows
        )
        shards.append(write_records(folder / shard_name("train", number, 3), records))
    document = {
        "schema_version": SCHEMA_VERSION,
        "image_shape": [8, 8, 1],
        "class_names": [str(i) for i in range(10)],
        "splits": {"train": {"count": len(images), "labelled": 300, "shards": shards}},
    }
    (folder / "dataset.json").write_text(json.dumps(document))
    return DatasetInfo.load(folder)


def opened(prepared, recipe, *, memory_limit, strategy=None):
    """A recipe's system in its smallest form, and its batches."""
    sizes = {"gan": {"hidden": 16, "batch_size": 16}, "ssgan": {"batch_size": 16, "labelled_batch": 16}}
    chosen = load_recipe(recipe)
    settings = chosen.configure("small", sizes[recipe] | ({"width": 0.0625} if recipe == "ssgan" else {}))
    system = chosen.build(settings, DataSpec(prepared.image_shape, 10))
    replicas = ReplicaRange.of(strategy or make_strategy("default"))
    batches = open_batches(prepared, system.streams(), seed=1, memory_limit=memory_limit, replicas=replicas)
    assert batches.streaming == (memory_limit == 0)
    return system, batches


def train(prepared, folder, *, memory_limit, recipe="gan", steps=12, strategy=None, stop_at=None):
    system, batches = opened(prepared, recipe, memory_limit=memory_limit, strategy=strategy)
    strategy = strategy or make_strategy("default")
    loop = Loop(system, batches, strategy, LoopOptions(steps=stop_at or steps), seed=1, folder=folder)
    loop.run()
    return {name: variable.numpy() for name, variable in loop.checkpoints.variables.items()}


def numbers(batches):
    """Images and labels of every stream, as arrays."""
    return {
        (name, i): value.numpy()
        for name, batch in batches.items()
        for i, value in enumerate(batch)
        if value is not None
    }


# from the start, and from where a run that is resumed begins, beyond an epoch of either stream
@pytest.mark.parametrize("first", [0, 113])
def test_every_stream_holds_the_batches_of_memory_from_any_step_on(prepared, first):
    _, memory = opened(prepared, "ssgan", memory_limit=10**9)
    _, streamed = opened(prepared, "ssgan", memory_limit=0)
    assert {stream.labelled_only for stream in streamed.streams.values()} == {False, True}
    elements = iter(streamed.elements(first))
    for step in range(first, first + 3):
        context = StepContext(1, tf.constant(step, tf.int64))
        expected, found = numbers(memory.local(context)), numbers(streamed.local(context, next(elements)))
        assert expected.keys() == found.keys()
        for name in expected:
            np.testing.assert_array_equal(expected[name], found[name], err_msg=str(name))


def test_streamed_trains_as_in_memory_also_when_resumed(prepared, tmp_path):
    memory = train(prepared, tmp_path / "memory", memory_limit=10**9)
    train(prepared, tmp_path / "resumed", memory_limit=0, stop_at=5)
    resumed = train(prepared, tmp_path / "resumed", memory_limit=0)
    for name in memory:
        np.testing.assert_array_equal(memory[name], resumed[name], err_msg=name)


@pytest.mark.parametrize("labelled_only", [False, True])
def test_a_sample_holds_the_images_of_memory(prepared, labelled_only):
    _, memory = opened(prepared, "ssgan", memory_limit=10**9)
    _, streamed = opened(prepared, "ssgan", memory_limit=0)
    size = memory.sample_size(labelled_only)
    assert size == streamed.sample_size(labelled_only) == (300 if labelled_only else 1797)
    positions = tf.range(size, dtype=tf.int64)
    first, second = (batches.sample(positions, labelled_only).numpy() for batches in (memory, streamed))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first[:100], memory.first_images(100).numpy())


def test_replicas_take_their_slices_of_the_stream(prepared):
    mirrored = make_strategy("mirrored", 2)
    _, alone = opened(prepared, "ssgan", memory_limit=0)
    _, batches = opened(prepared, "ssgan", memory_limit=0, strategy=mirrored)
    element = next(iter(batches.elements(7)))

    @tf.function
    def local(element):
        return batches.local(StepContext(1, tf.constant(7, tf.int64)), element)

    whole = numbers(alone.local(StepContext(1, tf.constant(7, tf.int64)), next(iter(alone.elements(7)))))
    parts = mirrored.run(local, args=(element,))
    for (name, i), value in whole.items():
        slices = mirrored.experimental_local_results(parts[name][i])
        np.testing.assert_array_equal(value, np.concatenate([part.numpy() for part in slices]))


def test_an_epoch_holds_every_image_once(prepared):
    from ssgan_tf.training.batches import shuffled_indices

    positions = tf.range(2 * 1797, dtype=tf.int64)
    order = shuffled_indices(positions, 1797, seed=4, stream=9).numpy()
    first, second = order[:1797], order[1797:]
    assert sorted(first) == sorted(second) == list(range(1797))
    assert (first != second).mean() > 0.99
    other = shuffled_indices(positions, 1797, seed=5, stream=9).numpy()
    assert (other != order).mean() > 0.99
    # far from the identity: neighbours in the order are not neighbours in the data
    assert np.abs(np.corrcoef(first[:-1], first[1:])[0, 1]) < 0.1


def test_damaged_shard_is_refused_before_training(prepared, tmp_path):
    path = prepared.shards("train")[1]
    content = path.read_bytes()
    path.write_bytes(content[:500] + bytes([content[500] ^ 1]) + content[501:])
    try:
        with pytest.raises(DataError, match=f"{path.name}.*checksum"):
            train(prepared, tmp_path / "run", memory_limit=0)
    finally:
        path.write_bytes(content)


TRAINS_FROM = """
import resource, sys
sys.path.insert(0, "tests/ssgan_tf")
import test_training_streamed as streamed
from pathlib import Path
from ssgan_tf.records import DatasetInfo

folder = Path(sys.argv[1])
streamed.train(DatasetInfo.load(folder), folder / "run", recipe="ssgan", memory_limit=0, steps=20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_data_set(tmp_path):
    numbers = np.random.default_rng(0)
    # random pixels do not compress: a shard is as large as its images
    encoded = [tf.io.encode_png(numbers.integers(0, 256, (64, 64, 3), np.uint8)).numpy() for _ in range(200)]
    peaks = []
    for count in (2_000, 20_000):
        folder = tmp_path / str(count)
        folder.mkdir()
        records = (
            example_bytes(png=encoded[i % 200], height=64, width=64, channels=3, label=i % 10, key=str(i))
            for i in range(count)
        )
        shard = write_records(folder / shard_name("train", 0, 1), records)
        document = {
            "schema_version": SCHEMA_VERSION,
            "image_shape": [64, 64, 3],
            "class_names": [str(i) for i in range(10)],
            "splits": {"train": {"count": count, "labelled": count, "shards": [shard]}},
        }
        (folder / "dataset.json").write_text(json.dumps(document))
        out = subprocess.run(
            [sys.executable, "-c", TRAINS_FROM, str(folder)], stdout=subprocess.PIPE, text=True, check=True
        )
        peaks.append(int(out.stdout.split()[-1]))
    # the second holds 220 MB more
    assert peaks[1] - peaks[0] < 20, peaks


def test_a_record_s_label_is_found_where_it_lies(prepared):
    for label in (-1, 0, 127, 128, 99_999):
        for size in (1, 300, 70_000):
            record = example_bytes(png=bytes(size), height=8, width=900, channels=1, label=label, key="k")
            assert label_in(record) == label
    assert label_in(b"no record at all") is None


def test_the_index_holds_twelve_bytes_an_image(prepared):
    index = RecordIndex(prepared)
    arrays = [value for value in vars(index).values() if isinstance(value, np.ndarray)]
    assert sum(array.nbytes for array in arrays) <= 12 * len(index.labels) + 64
    rows = np.array([0, 599, 5, len(index.labels) - 1, 598])
    stored = [payload for path in prepared.shards("train") for _, payload in iterate_records(path)]
    assert index.read(rows).tolist() == [stored[row] for row in rows]
