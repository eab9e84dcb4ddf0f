"""Distances between sets of vectors: known values, relations, and the judge."""

from types import SimpleNamespace

import numpy as np
import pytest

from ssgan_tf.metrics.evaluators import class_coverage
from ssgan_tf.metrics.generation import (
    frechet_distance,
    kernel_distance,
    precision_recall,
    principal_components,
)
from ssgan_tf.metrics.judge import Judge, judge_steps, reduced, train_judge


def normal(count, dimensions=4, mean=0.0, deviation=1.0, seed=0):
    return np.random.default_rng(seed).normal(mean, deviation, (count, dimensions))


def test_frechet_distance_of_a_set_to_itself_is_0():
    vectors = normal(200)
    assert frechet_distance(vectors, vectors) == pytest.approx(0.0, abs=1e-6)


def test_frechet_distance_of_a_shift_is_its_square():
    vectors = normal(200)
    assert frechet_distance(vectors, vectors + [3.0, 0.0, 4.0, 0.0]) == pytest.approx(25.0, rel=1e-6)


def test_frechet_distance_of_diagonal_normals():
    # sum over axes of (s1 - s2)**2
    a, b = normal(100_000, seed=1), normal(100_000, deviation=[1.0, 2.0, 3.0, 1.0], seed=2)
    assert frechet_distance(a, b) == pytest.approx(1.0 + 4.0, rel=0.03)


def test_frechet_distance_does_not_depend_on_axes_or_order():
    a, b = normal(300), normal(300, mean=1.0, deviation=2.0, seed=3)
    rotation, _ = np.linalg.qr(normal(4, seed=5))
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-6)
    assert frechet_distance(a @ rotation, b @ rotation) == pytest.approx(frechet_distance(a, b), rel=1e-6)


def test_frechet_distance_with_fewer_vectors_than_dimensions():
    value = frechet_distance(normal(10, 50), normal(12, 50, mean=1.0, seed=1))
    assert np.isfinite(value) and value > 10


def test_kernel_distance_is_unbiased_and_grows():
    same = [kernel_distance(normal(100, seed=i), normal(100, seed=100 + i)) for i in range(40)]
    assert abs(np.mean(same)) < 3 * np.std(same) / np.sqrt(len(same))
    assert kernel_distance(normal(100), normal(100, mean=1.0, seed=1)) > 10 * np.std(same)


def test_precision_and_recall_tell_quality_from_coverage():
    real = np.concatenate([normal(300, mean=-20, seed=1), normal(300, mean=20, seed=2)])
    real = np.random.default_rng(0).permutation(real)
    one_mode, far = normal(600, mean=20, seed=3), normal(600, mean=200, seed=4)
    precision, recall = precision_recall(real, one_mode)
    assert precision > 0.8 and recall < 0.6
    assert precision_recall(real, far) == (0.0, 0.0)
    precision, recall = precision_recall(real, real + 1e-6)
    assert precision == recall == 1.0


def test_principal_components_keep_distances_of_few_dimensions():
    a, b = normal(50, 5), normal(60, 5, seed=1)
    first, second = principal_components(a, b)
    np.testing.assert_allclose(np.linalg.norm(first[0] - second[0]), np.linalg.norm(a[0] - b[0]))
    assert principal_components(normal(20, 300))[0].shape == (20, 20)


def test_class_coverage():
    probabilities = np.array([[0.9, 0.1, 0.0], [0.6, 0.2, 0.2], [0.2, 0.8, 0.0], [0.5, 0.25, 0.25]])
    real = np.eye(3)[[0, 1, 1, 2]]
    inputs = SimpleNamespace(
        judge=Judge(None, 0.1, 90),
        generated_probabilities=probabilities,
        real_probabilities=real,
        class_names=["a", "b", "c"],
    )
    coverage = {figure.name: figure.value for figure in class_coverage.EVALUATOR.compute(**vars(inputs))}
    assert coverage["class_histogram"] == {"a": 0.75, "b": 0.25, "c": 0.0}
    assert coverage["smallest_class_share"] == 0.0
    # b falls short by a quarter and c by a quarter
    assert coverage["missing_class_mass"] == 0.5
    assert coverage["mean_confidence"] == pytest.approx(0.7)


def test_judge_knows_digits_and_is_the_same_each_time(digits):
    images, _ = digits
    from sklearn.datasets import load_digits

    labels = load_digits().target.astype(np.int32)
    judges = [train_judge(images[:900], labels[:900], 10) for _ in range(2)]
    assert judges[0].error < 0.05 and judges[0].images == 810
    probabilities, features = judges[0].look(images[900:])
    assert (probabilities.argmax(1) != labels[900:]).mean() < 0.08
    np.testing.assert_allclose(probabilities.sum(1), 1.0, rtol=1e-5)
    assert features.shape == (len(images) - 900, 128)
    np.testing.assert_array_equal(probabilities, judges[1].look(images[900:])[0])


def test_without_labels_there_is_no_judge(digits):
    images, _ = digits
    assert train_judge(images, np.full(len(images), -1), 0) is None
    assert train_judge(images, np.zeros(len(images), np.int32), 1) is None


def test_the_judge_sees_small_images_only():
    random = np.random.default_rng(0)
    small = random.integers(0, 256, (3, 28, 28, 1), np.uint8)
    assert reduced(small) is small
    wide = reduced(np.full([2, 60, 240, 3], 77, np.uint8))
    assert wide.shape == (2, 8, 32, 3) and (wide == 77).all()
    # a picture keeps its content
    large = np.kron(random.integers(0, 256, (1, 2, 2)), np.ones([1, 64, 64])).astype(np.uint8)[..., None]
    quarters = reduced(large)[0, 8::16, 8::16, 0]
    np.testing.assert_array_equal(quarters, large[0, ::64, ::64, 0])


def test_the_judge_trains_for_a_bounded_number_of_steps():
    assert judge_steps(np.full(1000, -1)) == judge_steps(np.zeros(1000, int)) == 0
    counts = [judge_steps(np.arange(n) % 2) for n in (19, 20, 200, 500, 100_000)]
    assert counts[0] == 0 and counts[1] == 300 and counts[-1] == 1500
    assert counts == sorted(counts)


def test_the_judge_says_how_far_it_is(digits):
    images, _ = digits
    seen = []
    train_judge(images[:40], np.arange(40) % 2, 2, progress=seen.append)
    assert seen == list(range(1, 301))
