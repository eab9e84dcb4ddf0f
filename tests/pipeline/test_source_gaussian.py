"""The source of points: what is drawn, what it depends on, and a wrong seed."""

import numpy as np
import pytest

from pipeline.errors import UsageError
from pipeline.sources.catalog import open_source
from ssgan_tf.points import from_records, true_covariance, true_mean


def points_of(spec, split="train"):
    return from_records(np.stack([item.pixels for item in open_source(spec).read(split, 0, 1000)]))


def test_points_follow_the_distribution():
    source = open_source("gaussian")
    assert source.splits() == {"train": 1000, "test": 1000}
    assert source.class_names() == ()
    points = points_of("gaussian")
    np.testing.assert_allclose(points.mean(0), true_mean(), atol=0.2)
    np.testing.assert_allclose(np.cov(points.T), true_covariance(), atol=0.5)


def test_a_seed_gives_the_same_points_again_and_another_gives_others():
    np.testing.assert_array_equal(points_of("gaussian:3"), points_of("gaussian:3"))
    assert open_source("gaussian").digest() == open_source("gaussian:0").digest()
    assert open_source("gaussian:1").digest() != open_source("gaussian:2").digest()
    assert not np.array_equal(points_of("gaussian:1"), points_of("gaussian:2"))


def test_test_points_are_others_than_training_points():
    train, test = points_of("gaussian"), points_of("gaussian", "test")
    assert not set(map(tuple, train.tolist())) & set(map(tuple, test.tolist()))


@pytest.mark.parametrize("seed", ["-1", "a", "1.5", "12345678901"])
def test_a_wrong_seed_is_refused(seed):
    with pytest.raises(UsageError, match="whole number from 0"):
        open_source(f"gaussian:{seed}")
