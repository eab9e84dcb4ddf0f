"""Withheld labels cannot reach training: not a byte that it reads, not a weight depends on them."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pipeline.provenance import places_of
from pipeline.stages.train import stage as train
from pipeline.stages.train.settings import TrainConfig
from pipeline.terminal import Terminal
from ssgan_tf.records import DatasetInfo, read_split


class Arrays:
    """All digits as one npz file; their withheld labels are permuted row by row."""

    def __init__(self, root: Path, images: np.ndarray, labels: np.ndarray) -> None:
        self.root, self.images, self.labels = root, images, labels

    def save(self) -> list[str]:
        np.savez(self.root / "digits.npz", images=self.images, labels=self.labels)
        return ["--dataset", f"npz:{self.root / 'digits.npz'}"]

    def permute(self, places: list[str]) -> int:
        rows = [int(place.partition("[")[2][:-1]) for place in places]
        before = self.labels.copy()
        self.labels[rows] = np.random.default_rng(0).permutation(self.labels[rows])
        return int((before != self.labels).sum())


class ClassFolders(Arrays):
    """The digits as PNG files in class folders; files change places, so each lies in another's folder."""

    def save(self) -> list[str]:
        photos = self.root / "photos"
        if not photos.exists():
            for number, (image, label) in enumerate(zip(self.images, self.labels, strict=True)):
                (photos / f"digit {label}").mkdir(parents=True, exist_ok=True)
                Image.fromarray(image).save(photos / f"digit {label}" / f"{number:04d}.png")
        return ["--dataset", f"folder:{photos}"]

    def permute(self, places: list[str]) -> int:
        files = [self.root / "photos" / place for place in places]
        contents = [file.read_bytes() for file in files]
        order = np.random.default_rng(0).permutation(len(files))
        for file, source in zip(files, order, strict=True):
            file.write_bytes(contents[source])
        return sum(files[i].parent != files[j].parent for i, j in enumerate(order))


class LabelFile(Arrays):
    """The digits as PNG files in one folder, labels in a CSV file."""

    def save(self) -> list[str]:
        photos = self.root / "photos"
        photos.mkdir(exist_ok=True)
        with (self.root / "labels.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["path", "label"])
            for number, (image, label) in enumerate(zip(self.images, self.labels, strict=True)):
                Image.fromarray(image).save(photos / f"{number:04d}.png")
                rows.writerow([f"{number:04d}.png", f"digit {label}"])
        return ["--dataset", f"folder:{photos}", "--labels", str(self.root / "labels.csv")]

    def permute(self, places: list[str]) -> int:
        return super().permute([f"[{int(place[:4])}]" for place in places])


def prepare(ganpipe, workdir, *arguments):
    """The prepared data, and of that what training reads."""
    ganpipe("preprocess", *arguments, "--workdir", workdir)
    data = workdir / "seed-0" / "data"
    read = {path.name: path.read_bytes() for path in sorted(data.glob("*.tfrecord"))}
    return data, read | {"dataset.json": (data / "dataset.json").read_bytes()}


def weights_of(read: dict[str, bytes], folder: Path) -> dict[str, np.ndarray]:
    """Trains where there is nothing but these files: what else was prepared is not missed."""
    (folder / "data").mkdir(parents=True)
    for name, content in read.items():
        (folder / "data" / name).write_bytes(content)
    config = TrainConfig(steps=20, checkpoint_every=20)
    place = {"seed": 0, "data": folder / "data", "output": folder, "terminal": Terminal(quiet=True)}
    train.run(config, {"width": 0.0625}, **place)
    reader = tf.train.load_checkpoint(str(folder / "checkpoints" / "step-20"))
    values = {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    return {name: value for name, value in values.items() if isinstance(value, np.ndarray)}


@pytest.mark.parametrize(
    ("kind", "trained"),
    [
        (Arrays, False),
        (ClassFolders, True),
        (LabelFile, False),
        pytest.param(Arrays, True, marks=pytest.mark.slow),
        pytest.param(LabelFile, True, marks=pytest.mark.slow),
    ],
)
def test_permuting_all_withheld_labels_changes_nothing(ganpipe, digits_npz, tmp_path, kind, trained):
    with np.load(digits_npz) as arrays:
        source = kind(tmp_path, arrays["x_train"], arrays["y_train"].copy())
    arguments = [*source.save(), "--validation-rate", 0.1, "--set", "data.shards=3"]
    natural, shards = prepare(ganpipe, tmp_path / "natural", *arguments, "--labels-per-class", 10)
    split = read_split(DatasetInfo.load(natural), "train")
    lines = (natural / "labelled.txt").read_text().splitlines()
    kept = {line for line in lines if "\t" not in line}
    assert (split.labels >= 0).sum() == 100 == len(kept)
    assert {key for key, label in zip(split.keys, split.labels, strict=True) if label >= 0} == kept

    given = ("--labelled-keys", shutil.copy(natural / "labelled.txt", tmp_path / "keys.txt"))
    data, before = prepare(ganpipe, tmp_path / "before", *arguments, *given)
    assert {name: before[name] for name in shards if name != "dataset.json"} == {
        name: value for name, value in shards.items() if name != "dataset.json"
    }
    withheld = [key for key, label in zip(split.keys, split.labels, strict=True) if label < 0]
    places = places_of(data, withheld)
    moved = source.permute([places[key] for key in withheld])
    assert moved > 0.8 * len(withheld) > 700
    source.save()
    other, after = prepare(ganpipe, tmp_path / "after", *arguments, *given)
    # the source is another one, and the provenance knows
    assert (other / "provenance" / "source.json").read_bytes() != (
        data / "provenance" / "source.json"
    ).read_bytes()
    assert before == after

    if not trained:
        return
    one, two = weights_of(before, tmp_path / "model" / "one"), weights_of(after, tmp_path / "model" / "two")
    assert one.keys() == two.keys() and len(one) > 50
    for name in one:
        np.testing.assert_array_equal(one[name], two[name], err_msg=name)


def test_changing_a_kept_label_does_change_the_shards(ganpipe, digits_npz, tmp_path):
    # the test above can fail: labels that are kept do matter
    ganpipe(
        "preprocess", "--dataset", f"npz:{digits_npz}", "--labels-per-class", 10, "--workdir", tmp_path / "a"
    )
    data = tmp_path / "a" / "seed-0" / "data"
    split = read_split(DatasetInfo.load(data), "train")
    with np.load(digits_npz) as arrays:
        arrays = dict(arrays)
    changed = arrays["y_train"].copy()
    key = split.keys[np.flatnonzero(split.labels >= 0)[0]]
    row = int(places_of(data, [key])[key].partition("[")[2][:-1])
    changed[row] = (changed[row] + 1) % 10
    np.savez(tmp_path / "changed.npz", **{**arrays, "y_train": changed})
    ganpipe(
        "preprocess",
        "--dataset",
        f"npz:{tmp_path / 'changed.npz'}",
        "--labelled-keys",
        data / "labelled.txt",
        "--workdir",
        tmp_path / "b",
    )
    other = read_split(DatasetInfo.load(tmp_path / "b" / "seed-0" / "data"), "train")
    assert (other.labels != split.labels).sum() == 1
