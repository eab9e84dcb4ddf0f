"""tfds:NAME reads what is prepared, and says how to get the rest."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import DataError
from pipeline.sources.catalog import open_source
from pipeline.sources.tfds import find_prepared


def prepared(root, *places):
    for place in places:
        (root / place).mkdir(parents=True)
        (root / place / "features.json").write_text("{}")
    return root


def test_a_set_that_is_not_prepared_says_how_to_prepare_it(tmp_path):
    prepared(tmp_path, "mnist/3.0.1")
    with pytest.raises(DataError, match=r"Did you mean 'mnist'\?.*ganpipe run.*--data-dir"):
        open_source("tfds:mnsit", data_dir=str(tmp_path))
    with pytest.raises(DataError, match="no such folder.*ganpipe run"):
        open_source("tfds:mnist", data_dir=str(tmp_path / "nope"))
    with pytest.raises(DataError, match="Prepared: mnist:3.0.1"):
        open_source("tfds:mnist:1.0.0", data_dir=str(tmp_path))
    with pytest.raises(DataError, match="not prepared"):
        open_source("tfds:..", data_dir=str(tmp_path / "mnist"))


def test_the_newest_version_is_taken_and_a_configuration_must_be_clear(tmp_path):
    prepared(tmp_path, "a/2.9.0", "a/2.10.0", "a/1.0.0", "b/x/1.0.0", "b/y/1.0.0")
    assert find_prepared(tmp_path, "a").name == "2.10.0"
    assert find_prepared(tmp_path, "a:1.0.0").name == "1.0.0"
    assert find_prepared(tmp_path, "b/y") == tmp_path / "b" / "y" / "1.0.0"
    with pytest.raises(DataError, match="several configurations; name one of b/x, b/y"):
        find_prepared(tmp_path, "b")


def test_a_prepared_folder_that_is_damaged_is_named(tmp_path):
    prepared(tmp_path, "mnist/3.0.1")
    with pytest.raises(DataError, match="mnist"):
        open_source("tfds:mnist", data_dir=str(tmp_path))


def test_mnist_is_the_same_in_both_forms(mnist_folder, tfds_folder):
    idx, tfds = open_source(f"idx:{mnist_folder}"), open_source("tfds:mnist", data_dir=str(tfds_folder))
    assert idx.splits() == tfds.splits() == {"train": 60000, "test": 10000}
    assert idx.class_names() == tfds.class_names()
    ours = {item.checksum: item for item in idx.read("test", 0, 10000)}
    theirs = list(tfds.read("test", 2000, 2200))
    assert len(theirs) == 200
    for item in theirs:
        assert ours[item.checksum].label == item.label
        np.testing.assert_array_equal(ours[item.checksum].pixels, item.pixels)


def test_ranges_of_a_prepared_set_join_without_seam(tfds_folder):
    source = open_source("tfds:mnist", data_dir=str(tfds_folder))
    whole = [item.place for item in source.read("train", 100, 160)]
    parts = [item.place for start in (100, 120, 140) for item in source.read("train", start, start + 20)]
    assert whole == parts and len(set(whole)) == 60
