"""Array sources: digits, idx and npz give the pixels and labels of their files, or say what is wrong."""

from __future__ import annotations

import gzip
import pickle
import struct

import numpy as np
import pytest

from pipeline.errors import DataError, UsageError
from pipeline.sources.catalog import open_source

IMAGES = np.random.default_rng(0).integers(0, 256, (20, 5, 4), np.uint8)
LABELS = np.arange(20, dtype=np.uint8) % 3


def idx_bytes(values: np.ndarray) -> bytes:
    return bytes((0, 0, 8, values.ndim)) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


@pytest.fixture
def idx_folder(tmp_path):
    for prefix, some in (("train", slice(0, 15)), ("t10k", slice(15, 20))):
        (tmp_path / f"{prefix}-images-idx3-ubyte").write_bytes(idx_bytes(IMAGES[some]))
        (tmp_path / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(LABELS[some])))
    return tmp_path


def test_digits_are_scaled_to_the_full_range():
    source = open_source("digits")
    items = list(source.read("train", 0, source.splits()["train"]))
    assert source.splits() == {"train": 1797}
    pixels = np.stack([item.pixels for item in items])
    assert pixels.shape == (1797, 8, 8, 1) and pixels.dtype == np.uint8
    assert (pixels.min(), pixels.max()) == (0, 255) and len(np.unique(pixels)) == 17
    assert [item.label for item in items[:10]] == list(range(10))


def test_idx_gives_what_its_files_hold_packed_or_not(idx_folder):
    source = open_source(f"idx:{idx_folder}")
    assert source.splits() == {"train": 15, "test": 5}
    assert source.class_names() == ("0", "1", "2")
    items = [*source.read("train", 0, 15), *source.read("test", 0, 5)]
    np.testing.assert_array_equal([item.pixels[..., 0] for item in items], IMAGES)
    assert [item.label for item in items] == LABELS.tolist()


def test_a_range_is_the_same_part_of_the_whole_also_after_a_journey(idx_folder):
    source = open_source(f"idx:{idx_folder}")
    keys = [item.place for item in source.read("train", 0, 15)]
    travelled = pickle.loads(pickle.dumps(source))  # noqa: S301
    assert [item.place for item in travelled.read("train", 4, 9)] == keys[4:9]


def test_npz_and_idx_name_the_same_pixels_alike(idx_folder, tmp_path):
    np.savez(tmp_path / "a.npz", images=IMAGES, labels=LABELS)
    ours = [item.checksum for item in open_source(f"npz:{tmp_path / 'a.npz'}").read("train", 0, 15)]
    assert ours == [item.checksum for item in open_source(f"idx:{idx_folder}").read("train", 0, 15)]
    assert len(set(ours)) == 15


def test_the_shape_is_part_of_an_image_s_digest(tmp_path):
    np.savez(tmp_path / "a.npz", images=IMAGES)
    np.savez(tmp_path / "b.npz", images=IMAGES.reshape(20, 4, 5))
    one, two = (
        next(open_source(f"npz:{tmp_path / name}").read("train", 0, 1)) for name in ("a.npz", "b.npz")
    )
    assert one.pixels.tobytes() == two.pixels.tobytes() and one.checksum != two.checksum


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda b: b[:-7], "fewer values"),
        (lambda b: b + b"x", "more values"),
        (lambda b: b[:9], "does not begin like"),
        (lambda b: b"\0\0\x0d\3" + b[4:], "does not begin like"),
        (lambda b: b[:4] + b"\xff" * 12 + b[16:], "more than can be read"),
        (lambda b: b[:4] + struct.pack(">3I", 2_000_000, 60, 60) + b[16:], "fewer values"),
        (lambda b: b"", "does not begin like"),
    ],
)
def test_a_damaged_idx_file_is_named(idx_folder, suffix, damage, message):
    file = idx_folder / "train-images-idx3-ubyte"
    damaged = damage(file.read_bytes())
    file.unlink()
    file.with_name(file.name + suffix).write_bytes(gzip.compress(damaged) if suffix else damaged)
    with pytest.raises(DataError, match=rf"train-images-idx3-ubyte{suffix}.*{message}"):
        open_source(f"idx:{idx_folder}")


def test_a_cut_off_gzip_file_is_named(idx_folder):
    file = idx_folder / "train-labels-idx1-ubyte.gz"
    file.write_bytes(file.read_bytes()[:-6])
    with pytest.raises(DataError, match="train-labels"):
        open_source(f"idx:{idx_folder}")


def test_idx_files_must_fit_each_other(idx_folder):
    (idx_folder / "train-labels-idx1-ubyte").write_bytes(idx_bytes(LABELS[:9]))
    with pytest.raises(DataError, match=r"labels must be whole numbers of shape \[15\]"):
        open_source(f"idx:{idx_folder}")
    (idx_folder / "t10k-images-idx3-ubyte").unlink()
    with pytest.raises(DataError, match="no file 't10k-images-idx3-ubyte'"):
        open_source(f"idx:{idx_folder}")
    with pytest.raises(DataError, match="no such folder"):
        open_source(f"idx:{idx_folder / 'nope'}")


def test_a_file_that_changes_between_readings_is_noticed(idx_folder):
    source = open_source(f"idx:{idx_folder}")
    (idx_folder / "train-images-idx3-ubyte").write_bytes(idx_bytes(IMAGES[:15, ::-1, :3]))
    with pytest.raises(DataError, match="changed while it was being read"):
        source.load()


def test_npz_with_splits_colours_names_and_unlabelled_images(tmp_path):
    colour = np.stack([IMAGES] * 3, axis=-1)
    labels = np.array([0, 1, -1, 1, 0])
    np.savez_compressed(
        tmp_path / "a.npz",
        x_train=colour[:5],
        y_train=labels,
        x_test=colour[5:7],
        y_test=np.array([[1], [0]]),
        class_names=np.array(["cat", "dog", "eel"]),
    )
    source = open_source(f"npz:{tmp_path / 'a.npz'}")
    assert source.splits() == {"train": 5, "test": 2}
    assert source.class_names() == ("cat", "dog", "eel")
    assert [item.label for item in source.read("train", 0, 5)] == labels.tolist()
    assert [item.label for item in source.read("test", 0, 2)] == [1, 0]
    assert next(source.read("train", 0, 1)).pixels.shape == (5, 4, 3)


def test_npz_without_labels_is_unlabelled(tmp_path):
    np.savez(tmp_path / "a.npz", x_train=IMAGES)
    source = open_source(f"npz:{tmp_path / 'a.npz'}")
    assert source.class_names() == ()
    assert {item.label for item in source.read("train", 0, 20)} == {-1}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"pictures": IMAGES}, "must hold x_train .* it holds pictures"),
        ({"images": IMAGES.astype(np.float32)}, "must be uint8 .* got float32"),
        ({"images": IMAGES[0]}, r"got uint8 of shape \[5, 4\]"),
        ({"images": IMAGES[..., None].repeat(5, -1)}, "1 to 4 channels"),
        ({"images": IMAGES, "labels": LABELS[:9]}, r"labels must be whole numbers of shape \[20\]"),
        ({"images": IMAGES, "labels": LABELS * 0.5}, "got float64"),
        ({"images": IMAGES, "labels": LABELS.astype(int) - 2}, "got -2"),
        ({"images": IMAGES, "labels": LABELS.astype(int) + 10**9}, "got 1000000002"),
        ({"images": IMAGES[:0], "labels": LABELS[:0]}, "no training images"),
        ({"images": IMAGES, "labels": LABELS, "class_names": np.array(["a", "b"])}, "label 2 has none"),
        ({"images": IMAGES, "labels": LABELS, "class_names": np.array(["a", "b", "a"])}, "different texts"),
        ({"images": np.array([{"any": "thing"}] * 3)}, "no readable .npz"),
    ],
)
def test_npz_with_wrong_arrays_says_what_is_wrong(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match=message):
        open_source(f"npz:{tmp_path / 'a.npz'}")


def test_npz_must_be_a_whole_archive(tmp_path):
    np.savez(tmp_path / "a.npz", images=IMAGES)
    whole = (tmp_path / "a.npz").read_bytes()
    for part in (b"", whole[:-30], b"PK\3\4" + b"?" * 50, whole[:200] + b"\xff" * 20 + whole[220:]):
        (tmp_path / "a.npz").write_bytes(part)
        with pytest.raises(DataError, match="no readable .npz"):
            open_source(f"npz:{tmp_path / 'a.npz'}")
    with pytest.raises(DataError, match="does not exist"):
        open_source("npz:nowhere.npz")


def test_the_digest_of_a_source_tells_one_label_from_another(tmp_path):
    digests = set()
    for label in (0, 1, 1):
        np.savez(tmp_path / "a.npz", images=IMAGES, labels=np.r_[label, LABELS[1:].astype(int)])
        digests.add(open_source(f"npz:{tmp_path / 'a.npz'}").digest())
    assert len(digests) == 2


def test_names_that_no_source_has(tmp_path):
    with pytest.raises(UsageError, match=r"unknown data set 'digit'. Did you mean 'digits'\?"):
        open_source("digit")
    with pytest.raises(UsageError, match="say folder:"):
        open_source(str(tmp_path))
    for name in ("idx", "npz", "folder", "tfds"):
        with pytest.raises(UsageError, match=f"{name!r} wants a"):
            open_source(name)
    with pytest.raises(UsageError, match="nothing after a colon"):
        open_source("digits:8")
    with pytest.raises(UsageError, match="label file belongs to folder"):
        open_source("digits", labels="labels.csv")
