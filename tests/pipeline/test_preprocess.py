"""Preprocess: the same bytes however it is run, and no withheld label in what it leaves."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import UsageError
from pipeline.provenance import places_of, read_provenance
from pipeline.sources.source import pixel_digest
from pipeline.stages.preprocess import stage as preprocess
from pipeline.stages.preprocess.members import keyed_hash
from pipeline.stages.preprocess.settings import DataConfig
from pipeline.terminal import Terminal
from ssgan_tf.records import DatasetInfo, read_split

SEED = 3


def images_and_labels(count=150, classes=3, seed=0):
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (count, 6, 5, 1), np.uint8), random.permutation(np.arange(count) % classes)


def save(path: Path, images, labels, test=30) -> str:
    """Saves all but the last `test` images as training split, the rest as test split."""
    cut = len(images) - test
    splits = {"x_train": images[:cut], "y_train": labels[:cut]}
    if test:
        splits |= {"x_test": images[cut:], "y_test": labels[cut:]}
    np.savez(path, **splits)
    return f"npz:{path}"


def prepare(output: Path, dataset: str, *, seed=SEED, **config):
    output.mkdir()
    stream = io.StringIO()
    document = preprocess.run(
        DataConfig(dataset=dataset, **config), seed=seed, output=output, terminal=Terminal(stream)
    )
    return document, stream.getvalue()


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def in_source_order(folder: Path, split: str, count: int):
    """The records of a split, sorted by the index that the provenance has for their keys."""
    read = read_split(DatasetInfo.load(folder), split)
    places = places_of(folder, read.keys)
    order = [int(places[key].partition("[")[2][:-1]) for key in read.keys]
    assert sorted(order) == list(range(count))
    index = np.argsort(order)
    return read.images[index], read.labels[index], [read.keys[i] for i in index]


def what_training_reads(folder: Path) -> dict[str, bytes]:
    return {
        name: data for name, data in files(folder).items() if name.endswith((".tfrecord", "dataset.json"))
    }


def shards(folder: Path, split: str) -> dict[str, bytes]:
    return {name: data for name, data in files(folder).items() if name.startswith(f"{split}-")}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A source with its own test split, and what preprocess makes of it."""
    root = tmp_path_factory.mktemp("base")
    images, labels = images_and_labels()
    dataset = save(root / "data.npz", images, labels)
    document, said = prepare(root / "out", dataset, labels_per_class=5, shards=3)
    return {
        "root": root,
        "images": images,
        "labels": labels,
        "dataset": dataset,
        "document": document,
        "said": said,
    }


def test_records_hold_the_source_s_images_in_the_order_of_a_keyed_hash(base):
    folder = base["root"] / "out"
    images, _, keys = in_source_order(folder, "train", 120)
    np.testing.assert_array_equal(images, base["images"][:120])
    assert keys == [pixel_digest(image) for image in base["images"][:120]]
    images, labels, _ = in_source_order(folder, "test", 30)
    np.testing.assert_array_equal(images, base["images"][120:])
    np.testing.assert_array_equal(labels, base["labels"][120:])
    for split in ("train", "test"):
        stored = read_split(DatasetInfo.load(folder), split).keys
        assert stored == sorted(stored, key=lambda key: keyed_hash(key, seed=SEED, purpose="order"))


def test_only_the_drawn_labels_are_stored(base):
    info = DatasetInfo.load(base["root"] / "out")
    train = read_split(info, "train")
    kept = train.labels >= 0
    _, stored, _ = in_source_order(base["root"] / "out", "train", 120)
    np.testing.assert_array_equal(stored[stored >= 0], base["labels"][:120][stored >= 0])
    assert np.bincount(train.labels[kept]).tolist() == [5, 5, 5]
    assert set(train.labels[~kept]) == {-1}
    assert (base["root"] / "out" / "labelled.txt").read_text().split() == sorted(
        key for key, label in zip(train.keys, train.labels, strict=True) if label >= 0
    )


def test_the_document_describes_the_files(base):
    document, folder = base["document"], base["root"] / "out"
    stored = json.loads((folder / "dataset.json").read_text())
    # what is of use to the chain alone is in the summary alone
    assert document == stored | {"stands_for": document["stands_for"]}
    listed = [shard for split in document["splits"].values() for shard in split["shards"]]
    others = {"dataset.json", "labelled.txt"}
    others |= {f"provenance/{name}" for name in ("images.csv", "source.json", "schema.json")}
    assert {shard["name"] for shard in listed} | others == set(files(folder))
    for shard in listed:
        data = (folder / shard["name"]).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (shard["bytes"], shard["sha256"])
    assert document["splits"]["train"]["labelled"] == 15
    assert document["labels_per_class"] == {"0": 5, "1": 5, "2": 5}
    assert read_provenance(folder)["class_histogram"] == {"0": 50, "1": 50, "2": 50}
    train = base["images"][:120].astype(float)
    assert document["pixels"]["mean"] == pytest.approx([train.mean()])
    assert document["pixels"]["std"] == pytest.approx([train.std()])
    assert "tmp" not in json.dumps(document)
    assert "train 120 (15 labelled), test 30 (30 labelled)" in base["said"]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("workers", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_several_processes_write_the_same_bytes(base, tmp_path, workers, monkeypatch):
    # from another folder, and after TensorFlow has run in this process
    monkeypatch.chdir(tmp_path)
    config = {"labels_per_class": 5, "shards": 3, "runner": "multi_processing", "workers": workers}
    prepare(tmp_path / "out", base["dataset"], **config)
    assert files(tmp_path / "out") == files(base["root"] / "out")


def test_threads_are_refused_with_the_reason(base, tmp_path):
    with pytest.raises(UsageError, match="multi_threading loses records"):
        prepare(tmp_path / "out", base["dataset"], runner="multi_threading")
    assert not files(tmp_path / "out")


def in_any_order(folder: Path, split: str):
    read = read_split(DatasetInfo.load(folder), split)
    return sorted(zip(read.keys, read.labels.tolist(), [i.tobytes() for i in read.images], strict=True))


@pytest.mark.parametrize("count", [1, 2, 8])
def test_the_number_of_shards_changes_only_where_records_lie(base, tmp_path, count):
    document, _ = prepare(tmp_path / "out", base["dataset"], labels_per_class=5, shards=count)
    assert len(shards(tmp_path / "out", "train")) == count
    assert document["labelled_digest"] == base["document"]["labelled_digest"]
    assert document["pixels"] == base["document"]["pixels"]
    for split in ("train", "test"):
        assert in_any_order(tmp_path / "out", split) == in_any_order(base["root"] / "out", split)


@pytest.mark.parametrize("own_test", [30, 0])
def test_the_order_of_the_source_changes_no_record(base, tmp_path, own_test):
    images, labels = base["images"], base["labels"]
    order = np.random.default_rng(1).permutation(len(images) - own_test)
    order = np.r_[order, np.arange(len(images) - own_test, len(images))]
    documents = []
    for name, index in (("one", np.arange(len(images))), ("two", order)):
        dataset = save(tmp_path / f"{name}.npz", images[index], labels[index], own_test)
        documents.append(prepare(tmp_path / name, dataset, labels_per_class=5, validation_rate=0.1)[0])
    one, two = documents
    assert one["labelled_digest"] == two["labelled_digest"]
    # the order of the records is not that of the source either
    assert what_training_reads(tmp_path / "one") == what_training_reads(tmp_path / "two")
    for split in ("train", "test", "validation"):
        assert in_any_order(tmp_path / "one", split) == in_any_order(tmp_path / "two", split)


def test_another_seed_labels_others(base, tmp_path):
    document, _ = prepare(tmp_path / "out", base["dataset"], labels_per_class=5, seed=SEED + 1)
    assert document["labelled_digest"] != base["document"]["labelled_digest"]


def permuted(labels, where):
    """The labels with those at `where` put in another order, and at least one changed."""
    changed = labels.copy()
    changed[where] = np.roll(labels[where], 1)
    assert (changed != labels).any() and sorted(changed) == sorted(labels)
    return changed


def test_withheld_labels_change_no_byte_when_the_labelled_set_is_given(base, tmp_path):
    keys = base["root"] / "out" / "labelled.txt"
    kept = set(keys.read_text().split())
    withheld = [i for i in range(120) if pixel_digest(base["images"][i]) not in kept]
    assert len(withheld) == 105
    labels = permuted(base["labels"], np.array(withheld))
    dataset = save(tmp_path / "data.npz", base["images"], labels)
    prepare(tmp_path / "out", dataset, labelled_keys=str(keys), shards=3)
    other, ours = (read_provenance(folder) for folder in (tmp_path / "out", base["root"] / "out"))
    assert other["source"]["digest"] != ours["source"]["digest"]
    for split in ("train", "test"):
        assert shards(tmp_path / "out", split) == shards(base["root"] / "out", split)
    prepare(tmp_path / "again", base["dataset"], labelled_keys=str(keys), shards=3)
    assert what_training_reads(tmp_path / "out") == what_training_reads(tmp_path / "again")


def test_withheld_labels_change_no_byte_of_the_natural_draw(base, tmp_path):
    # an image below a class's threshold is labelled if it is of that class: those above all thresholds
    # can be of any class
    highest = max(
        int(value, 16) for value in read_provenance(base["root"] / "out")["draw"]["thresholds"].values()
    )
    digests = [pixel_digest(image) for image in base["images"][:120]]
    above = [i for i, d in enumerate(digests) if keyed_hash(d, seed=SEED, purpose="labelled") > highest]
    assert len(above) > 60
    labels = permuted(base["labels"], np.array(above))
    prepare(
        tmp_path / "out", save(tmp_path / "data.npz", base["images"], labels), labels_per_class=5, shards=3
    )
    for split in ("train", "test"):
        assert shards(tmp_path / "out", split) == shards(base["root"] / "out", split)


def test_a_label_that_is_kept_does_change_the_shards(base, tmp_path):
    kept = set((base["root"] / "out" / "labelled.txt").read_text().split())
    one = next(i for i in range(120) if pixel_digest(base["images"][i]) in kept)
    labels = base["labels"].copy()
    labels[one] = (labels[one] + 1) % 3
    dataset = save(tmp_path / "data.npz", base["images"], labels)
    keys = str(base["root"] / "out" / "labelled.txt")
    prepare(tmp_path / "out", dataset, labelled_keys=keys, shards=3)
    assert shards(tmp_path / "out", "train") != shards(base["root"] / "out", "train")


def test_content_of_the_test_split_leaves_training_and_is_listed(base, tmp_path):
    images = base["images"].copy()
    images[7] = images[9] = images[125]
    labels = base["labels"].copy()
    labels[7] = labels[9] = labels[125]
    document, said = prepare(tmp_path / "out", save(tmp_path / "data.npz", images, labels))
    assert document["duplicates"] == {"across_splits": 2}
    provenance = read_provenance(tmp_path / "out")
    assert provenance["duplicates"] == ["train[7]", "train[9]"]
    assert document["splits"]["train"]["count"] == 118 and document["splits"]["test"]["count"] == 30
    assert "2 training image(s) left out" in said
    # no label was withheld, and that leaves nothing to learn from without one
    assert document["splits"]["train"]["labelled"] == 118
    assert "all 118 training images have a label and keep it" in said
    info = DatasetInfo.load(tmp_path / "out")
    assert not set(read_split(info, "train").keys) & set(read_split(info, "test").keys)


def test_digits_by_default(tmp_path):
    document, said = prepare(tmp_path / "out", "digits")
    assert "10 labels of each class are kept, which is the default of 'digits'" in said
    assert document["image_shape"] == [8, 8, 1]
    assert document["labels_per_class"] == {str(label): 10 for label in range(10)}
    info = DatasetInfo.load(tmp_path / "out")
    counts = {split: len(read_split(info, split).keys) for split in ("train", "test")}
    assert sum(counts.values()) == 1797 - document["duplicates"]["across_splits"]
    assert counts["test"] == pytest.approx(0.2 * 1797, abs=5)


def test_unlabelled_images_make_an_unlabelled_data_set(base, tmp_path):
    np.savez(tmp_path / "data.npz", images=base["images"])
    document, _ = prepare(tmp_path / "out", f"npz:{tmp_path / 'data.npz'}")
    assert document["class_names"] == [] and list(document["splits"]) == ["train"]
    train = read_split(DatasetInfo.load(tmp_path / "out"), "train")
    assert set(train.labels) == {-1} and len(train.keys) == 150


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_mnist_s_own_files_and_tfds_draw_the_same_images(mnist_folder, tfds_folder, tmp_path):
    idx, _ = prepare(tmp_path / "idx", f"idx:{mnist_folder}", labels_per_class=10)
    tfds, _ = prepare(tmp_path / "tfds", "tfds:mnist", data_dir=str(tfds_folder), labels_per_class=10)
    assert idx["labelled_digest"] == tfds["labelled_digest"]
    for name in what_training_reads(tmp_path / "idx").keys() - {"dataset.json"}:
        assert (tmp_path / "idx" / name).read_bytes() == (tmp_path / "tfds" / name).read_bytes()
    assert (tmp_path / "idx" / "labelled.txt").read_bytes() == (
        tmp_path / "tfds" / "labelled.txt"
    ).read_bytes()
    assert idx["splits"]["train"]["count"] == tfds["splits"]["train"]["count"] == 60000
    assert idx["pixels"] == tfds["pixels"]
