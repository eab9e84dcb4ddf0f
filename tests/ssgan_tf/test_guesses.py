"""Guessed labels: right where neighbours share their class, and none where they do not."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from ssgan_tf.graphs.class_counts import estimated_shares, halves
from ssgan_tf.graphs.gradient_histograms import gradient_histograms, main_components
from ssgan_tf.graphs.guesses import FEWEST_IMAGES, MOST_IMAGES, guess_labels
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
    return labels, guess_labels(images, labels, classes=10, shares=SHARES, sure=0.8)


def test_digits_are_guessed_right_and_no_given_label_is(digits, guessed):
    (_, target), (labels, found) = digits, guessed
    known, new = labels >= 0, found.classes >= 0
    assert not (known & new).any()
    assert 0.7 * len(target) < new.sum() <= 0.8 * len(target)
    assert np.mean(found.classes[new] != target[new]) < 0.04
    assert f"{new.sum()} of {(~known).sum()} unlabelled images" in found.why and "of 20 labels" in found.why


def test_the_same_images_labels_and_seed_give_the_same_guesses(digits, guessed):
    images, _ = digits
    labels, found = guessed
    again = guess_labels(images, labels, classes=10, shares=SHARES, sure=0.8)
    np.testing.assert_array_equal(again.classes, found.classes)


def test_where_neighbours_say_nothing_there_are_no_guesses(digits):
    random = np.random.default_rng(0)
    labels = few_of(random.integers(0, 10, 300), 8)
    noise = random.integers(0, 256, (300, 8, 8, 1), np.uint8)
    found = guess_labels(noise, labels, classes=10, shares=SHARES, sure=0.8)
    assert (found.classes == -1).all()
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
    found = guess_labels(images, labels, classes=10, shares=SHARES, sure=0.8)
    assert (found.classes == -1).all()
    assert words in found.why


def impurity(features, target):
    graph = neighbour_graph(features).tocoo()
    return np.mean(target[graph.row] != target[graph.col])


def test_histograms_of_gradients_place_a_class_nearer_than_pixels_do(digits):
    images, target = digits
    pixels = impurity(images.reshape(len(images), -1).astype(np.float32), target)
    histograms = gradient_histograms(images)
    whole = impurity(histograms, target)
    assert whole < 0.6 * pixels
    assert impurity(main_components(histograms, centred=False), target) < 1.2 * whole


@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 28, 1), (64, 48, 3)])
def test_histograms_are_512_numbers_of_length_1_whatever_the_size_and_the_light(shape):
    images = np.random.default_rng(0).integers(0, 128, [3, *shape], np.uint8)
    histograms = gradient_histograms(images)
    assert histograms.shape == (3, 512) and histograms.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(histograms, axis=1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(gradient_histograms(images * 2), histograms, atol=1e-4)
    # a small step says less than another image does
    moved = gradient_histograms(np.roll(images, 1, axis=2))
    assert (np.sum(moved * histograms, 1) > np.sum(np.roll(histograms, 1, 0) * histograms, 1)).all()
    # nothing is seen in one colour
    assert np.abs(gradient_histograms(np.full([1, *shape], 200, np.uint8))).max() < 1e-2


def test_main_components_keep_angles_and_centred_ones_forget_what_all_have_in_common():
    random = np.random.default_rng(0)
    vectors = random.normal(size=(300, 5)) @ random.normal(size=(5, 400))
    vectors = vectors.astype(np.float32)
    kept = main_components(vectors, centred=False)
    assert kept.shape == (300, 128)
    np.testing.assert_allclose(kept @ kept.T, vectors @ vectors.T, rtol=1e-3, atol=1e-2)
    assert (kept**2).sum(0)[:5].min() > 1e3 * (kept**2).sum(0)[5:].max()
    common = vectors + random.normal(size=400).astype(np.float32)
    np.testing.assert_allclose(
        np.abs(main_components(common, centred=True)[:, :5]),
        np.abs(main_components(vectors, centred=True)[:, :5]),
        atol=1e-2,
    )


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


def test_halves_share_no_label_and_lose_none():
    labels = np.array([0, 1, 0, -1, 0, 1, 2])
    first, second = halves(labels)
    np.testing.assert_array_equal(first, [0, 1, -1, -1, 0, -1, 2])
    np.testing.assert_array_equal(second, [-1, -1, 0, -1, -1, 1, -1])


def test_an_estimate_is_believed_as_far_as_two_halves_of_the_labels_agree():
    labels = np.array([0, 0, 1, 1] + [-1] * 96)

    def estimate(first, second, whole):
        """From what all labels and their halves find: so much of class 0."""
        found = ((np.arange(100) >= 100 * share).astype(int) for share in (whole, first, second))
        return estimated_shares(*found, labels, 2)

    # halves agree: as found; halves as far apart as the estimate is from the labels' shares: partly
    np.testing.assert_allclose(estimate(0.7, 0.7, 0.7), [0.7, 0.3])
    partly = estimate(0.6, 0.8, 0.7)
    np.testing.assert_allclose(partly, 0.5 + (1 - 0.2**2 / 4 / 0.2**2) * np.array([0.2, -0.2]))
    # halves that contradict each other: as among the labels
    np.testing.assert_allclose(estimate(0.1, 0.9, 0.6), [0.5, 0.5])


def test_classes_that_are_not_even_are_found_with_even_labels(digits):
    images, target = digits
    kept = np.concatenate([np.flatnonzero(target == k)[: 170 if k % 2 else 50] for k in range(10)])
    images, target = images[kept], target[kept]
    labels = few_of(target, 10)
    wrong = {}
    for name, shares in (("estimated", None), ("even", SHARES)):
        found = guess_labels(images, labels, classes=10, shares=shares, sure=1.0)
        wrong[name] = np.mean(found.classes[labels < 0] != target[labels < 0])
    assert wrong["estimated"] < 0.05 and wrong["estimated"] < 0.5 * wrong["even"]
