"""Withheld labels cannot reach training: not a byte of the shards, not a weight depends on them."""

import numpy as np
import tensorflow as tf

from ssgan_tf.records import DatasetInfo, read_split
from tests.end_to_end.conftest import TINY


def train_on(ganpipe, npz, workdir, *arguments):
    place = ("--workdir", workdir)
    ganpipe("preprocess", "--dataset", f"npz:{npz}", *arguments, *place)
    ganpipe("train", *TINY, *place)
    data = workdir / "seed-0" / "data"
    shards = {path.name: path.read_bytes() for path in sorted(data.glob("train-*"))}
    reader = tf.train.load_checkpoint(str(workdir / "seed-0" / "ssgan" / "train" / "checkpoints" / "step-20"))
    weights = {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    weights = {name: value for name, value in weights.items() if isinstance(value, np.ndarray)}
    return data, shards, weights


def test_permuting_all_withheld_labels_changes_nothing(ganpipe, digits_npz, tmp_path):
    data, shards, weights = train_on(ganpipe, digits_npz, tmp_path / "first", "--labels-per-class", 10)
    split = read_split(DatasetInfo.load(data), "train")
    kept = set((data / "labelled.txt").read_text().split())
    assert (split.labels >= 0).sum() == 100 == len(kept)
    assert {key for key, label in zip(split.keys, split.labels, strict=True) if label >= 0} == kept

    with np.load(digits_npz) as arrays:
        arrays = dict(arrays)
    # the shards keep the source's order, so row i of the source is record i
    np.testing.assert_array_equal(split.images[..., 0], arrays["x_train"])
    withheld = np.flatnonzero(split.labels < 0)
    permuted = arrays["y_train"].copy()
    permuted[withheld] = np.random.default_rng(0).permutation(permuted[withheld])
    assert (permuted != arrays["y_train"]).sum() > 1000
    np.savez(tmp_path / "permuted.npz", **{**arrays, "y_train": permuted})

    _, other_shards, other_weights = train_on(
        ganpipe, tmp_path / "permuted.npz", tmp_path / "second", "--labelled-keys", data / "labelled.txt"
    )
    assert shards == other_shards
    assert weights.keys() == other_weights.keys() and len(weights) > 50
    for name in weights:
        np.testing.assert_array_equal(weights[name], other_weights[name], err_msg=name)


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
    row = np.flatnonzero(split.labels >= 0)[0]
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
