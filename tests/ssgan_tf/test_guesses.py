"""Guessed labels: right where neighbours share their class, and none where they do not."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from ssgan_tf.graphs.autoencoder import learn_codes
from ssgan_tf.graphs.guesses import FEWEST_IMAGES, MOST_IMAGES, _vectors, guess_labels
from ssgan_tf.graphs.neighbours import neighbour_graph
from ssgan_tf.graphs.poisson import balanced_cut, poisson_scores

SHARES = np.full(10, 0.1)


@pytest.fixture(scope="module")
def digits():
    data = load_digits()
    return (data.images * 255 / 16).astype(np.uint8)[..., np.newaxis], data.target


def few_of(target, each=4, seed=0):
    random = np.random.default_rng(seed)
    labels = np.full(len(target), -1, np.int32)
    for k in range(10):
        labels[random.choice(np.flatnonzero(target == k), each, replace=False)] = k
    return labels


@pytest.fixture(scope="module")
def guessed(digits):
    images, target = digits
    labels = few_of(target)
    return labels, guess_labels(images, labels, SHARES, 0.8, seed=1)


def test_digits_are_guessed_right_and_given_labels_stay(digits, guessed):
    (_, target), (labels, found) = digits, guessed
    known = labels >= 0
    np.testing.assert_array_equal(found.labels[known], labels[known])
    new = (found.labels >= 0) & ~known
    assert 0.7 * len(target) < new.sum() <= 0.8 * len(target)
    assert np.mean(found.labels[new] != target[new]) < 0.04
    assert f"{new.sum()} of {(~known).sum()} unlabelled images" in found.why and "of 20 labels" in found.why


def test_the_same_images_labels_and_seed_give_the_same_guesses(digits, guessed):
    images, _ = digits
    labels, found = guessed
    np.testing.assert_array_equal(guess_labels(images, labels, SHARES, 0.8, seed=1).labels, found.labels)


def test_where_neighbours_say_nothing_there_are_no_guesses(digits):
    random = np.random.default_rng(0)
    labels = few_of(random.integers(0, 10, 300), 8)
    noise = random.integers(0, 256, (300, 8, 8, 1), np.uint8)
    found = guess_labels(noise, labels, SHARES, 0.8, seed=0)
    np.testing.assert_array_equal(found.labels, labels)
    assert "fewer than three of four" in found.why


@pytest.mark.parametrize(
    ("count", "each", "words"),
    [
        (FEWEST_IMAGES - 1, 2, "not 99"),
        (MOST_IMAGES + 1, 2, "not 100001"),
        (200, 1, "no class has two labels"),
    ],
)
def test_where_nothing_could_be_guessed_or_checked_it_says_so(count, each, words):
    images = np.zeros((count, 2, 2, 1), np.uint8)
    labels = few_of(np.arange(count) % 10, each)
    found = guess_labels(images, labels, SHARES, 0.8, seed=0)
    np.testing.assert_array_equal(found.labels, labels)
    assert words in found.why


def test_codes_repeat_and_place_alike_images_near_each_other(digits):
    images, target = digits
    vectors = images.reshape(len(images), -1) / 255.0
    codes = learn_codes(vectors, seed=3, steps=60)
    assert codes.shape == (len(images), 20) and np.isfinite(codes).all()
    np.testing.assert_array_equal(codes, learn_codes(vectors, seed=3, steps=60))
    graph = neighbour_graph(codes).tocoo()
    # by chance it would be a tenth
    assert np.mean(target[graph.row] == target[graph.col]) > 0.5


def test_the_graph_is_symmetric_without_loops_and_weighs_in_0_to_1(digits):
    images, _ = digits
    graph = neighbour_graph(images[:300].reshape(300, -1).astype(np.float32))
    assert abs(graph - graph.T).max() < 1e-7 and graph.diagonal().max() == 0.0
    assert graph.data.min() > 0.0 and graph.data.max() <= 1.0 + 1e-6


def test_two_cliques_take_the_labels_of_their_members_and_the_shares_that_are_given():
    import scipy.sparse as sparse

    block = np.ones((6, 6), np.float32) - np.eye(6, dtype=np.float32)
    whole = np.block([[block, np.zeros((6, 6))], [np.zeros((6, 6)), block]]).astype(np.float32)
    whole[5, 6] = whole[6, 5] = 0.05
    graph = sparse.csr_matrix(whole)
    labels = np.full(12, -1)
    labels[0], labels[11] = 0, 1
    scores = poisson_scores(graph, labels, 2)
    np.testing.assert_array_equal(scores.argmax(1), [0] * 6 + [1] * 6)
    classes, margins = balanced_cut(graph, labels, scores, np.array([0.5, 0.5]))
    np.testing.assert_array_equal(classes, [0] * 6 + [1] * 6)
    assert (margins >= 0).all() and margins.argmin() in (5, 6)


@pytest.mark.parametrize(
    ("shape", "numbers"), [((28, 28, 1), 784), ((32, 32, 3), 972), ((64, 48, 1), 36 * 27)]
)
def test_large_images_are_compared_by_fewer_numbers(shape, numbers):
    images = np.random.default_rng(0).integers(0, 256, [3, *shape], np.uint8)
    vectors = _vectors(images)
    assert vectors.shape == (3, numbers)
    assert vectors.min() >= 0.0 and vectors.max() <= 1.0
    # light and dark images stay apart
    assert _vectors(np.full([1, *shape], 255, np.uint8)).min() == pytest.approx(1.0, abs=1e-3)
