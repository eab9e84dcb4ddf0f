"""Classification and calibration figures against definitions written out, and relations between them."""

import numpy as np
import pytest

from ssgan_tf.metrics.answers import Answers
from ssgan_tf.metrics.calibration import (
    brier_score,
    confidence_bins,
    expected_calibration_error,
    risk_coverage,
)
from ssgan_tf.metrics.evaluators import evaluate
from ssgan_tf.metrics.figures import CLASSIFICATION, document
from ssgan_tf.metrics.probabilities import softmax
from ssgan_tf.metrics.temperature import Temperature

RNG = np.random.default_rng(11)
LOGITS = RNG.normal(0, 2, (500, 4))
PROBABILITIES = softmax(LOGITS)
LABELS = np.array([RNG.choice(4, p=row) for row in PROBABILITIES])


def classification_metrics(probabilities, labels, class_names, folds=None):
    inputs = Answers(probabilities, labels, class_names, 15, Temperature(1.0, "as given"), folds)
    # to the bit, which logits would not give
    inputs.__dict__["probabilities"] = probabilities
    figures, left_out = evaluate(CLASSIFICATION, inputs)
    assert left_out == {}
    return document(CLASSIFICATION, figures)[0]


def test_softmax_of_large_logits():
    rows = softmax(np.array([[1000.0, 1000.0], [-1000.0, 0.0]], np.float32))
    np.testing.assert_allclose(rows, [[0.5, 0.5], [0.0, 1.0]])


def test_brier_score_by_hand():
    probabilities = np.array([[0.8, 0.2, 0.0], [0.1, 0.3, 0.6]])
    # squared distances to [1, 0, 0] and [0, 1, 0]
    expected = ((0.04 + 0.04 + 0.0) + (0.01 + 0.49 + 0.36)) / 2
    assert brier_score(probabilities, np.array([0, 1])) == pytest.approx(expected)
    assert brier_score(np.eye(3), np.arange(3)) == 0.0
    assert brier_score(np.eye(3), np.array([1, 2, 0])) == 2.0


def test_calibration_error_by_hand():
    # two bins: (0, 0.5] holds the 0.5 that is right; (0.5, 1] the 0.6 that is wrong and the 1.0 that is right
    probabilities = np.array([[0.5, 0.3, 0.2], [0.2, 0.6, 0.2], [0.0, 0.0, 1.0]])
    labels = np.array([0, 0, 2])
    binned = confidence_bins(probabilities, labels, bins=2)
    np.testing.assert_array_equal(binned.counts, [1, 2])
    np.testing.assert_allclose(binned.confidences, [0.5, 1.6])
    np.testing.assert_array_equal(binned.hits, [1, 1])
    expected = 1 / 3 * abs(1 - 0.5) + 2 / 3 * abs(1 / 2 - 0.8)
    assert expected_calibration_error(probabilities, labels, bins=2) == pytest.approx(expected)


def test_labels_drawn_from_the_probabilities_are_calibrated():
    honest = expected_calibration_error(PROBABILITIES, LABELS)
    boastful = expected_calibration_error(softmax(3 * LOGITS), LABELS)
    shy = expected_calibration_error(softmax(LOGITS / 3), LABELS)
    assert honest < 0.08
    assert boastful > 0.15 and shy > 0.15
    # neither changes an answer
    assert brier_score(softmax(3 * LOGITS), LABELS) > brier_score(PROBABILITIES, LABELS)


def test_risk_coverage_is_what_each_threshold_gives():
    # rounded, so that several images share a confidence
    probabilities = np.round(PROBABILITIES, 1)
    thresholds, coverage, risk = risk_coverage(probabilities, LABELS)
    confidence, wrong = probabilities.max(1), probabilities.argmax(1) != LABELS
    assert (np.diff(thresholds) < 0).all() and len(thresholds) < 10
    for threshold, share, error in zip(thresholds, coverage, risk, strict=True):
        answered = confidence >= threshold
        assert share == pytest.approx(answered.mean())
        assert error == pytest.approx(wrong[answered].mean())
    assert coverage[-1] == 1.0 and risk[-1] == pytest.approx(wrong.mean())


def test_answering_less_errs_less_where_confidence_means_something():
    _, coverage, risk = risk_coverage(PROBABILITIES, LABELS)
    half = np.searchsorted(coverage, 0.5)
    assert risk[half] < 0.6 * risk[-1]


def test_classification_metrics_agree_with_each_other():
    names = ("a", "b", "c", "d")
    metrics = classification_metrics(PROBABILITIES, LABELS, names)
    matrix = np.array(metrics["confusion_matrix"])
    assert metrics["wrong"] == matrix.sum() - np.trace(matrix)
    assert metrics["error"] == metrics["wrong"] / metrics["count"] == metrics["wrong"] / 500
    low, high = metrics["error_interval"]
    assert low < metrics["error"] < high
    for number, name in enumerate(names):
        row = metrics["per_class"][name]
        assert row["count"] == (number == LABELS).sum() == matrix[number].sum()
        assert row["recall"] == pytest.approx(matrix[number, number] / matrix[number].sum())
        assert row["precision"] == pytest.approx(matrix[number, number] / matrix[:, number].sum())
        assert row["f1"] == pytest.approx(
            2 * row["precision"] * row["recall"] / (row["precision"] + row["recall"])
        )
    expected = -np.log(PROBABILITIES[np.arange(500), LABELS]).mean()
    assert metrics["negative_log_likelihood"] == pytest.approx(expected)


def test_no_mistake_has_an_interval_that_begins_at_zero():
    metrics = classification_metrics(np.eye(3)[[0, 1, 2, 0]], np.array([0, 1, 2, 0]), ("a", "b", "c"))
    assert metrics["error"] == 0.0
    assert metrics["error_interval"][0] == pytest.approx(0.0) and metrics["error_interval"][1] > 0.3
    # a class that never occurs has figures too
    metrics = classification_metrics(np.eye(3)[[0, 1]], np.array([0, 1]), ("a", "b", "c"))
    nothing_known = {"precision": 0.0, "recall": 0.0, "recall_interval": [0.0, 1.0], "f1": 0.0, "count": 0}
    assert metrics["per_class"]["c"] == nothing_known


def test_abstaining_compares_as_the_served_model_does():
    confidence = np.array([0.95, 0.9, 0.6, 0.99])
    probabilities = np.repeat((1 - confidence)[:, None] / 2, 3, axis=1)
    probabilities[np.arange(4), [0, 1, 2, 1]] = confidence
    metrics = classification_metrics(probabilities, np.array([0, 2, 2, 0]), ("a", "b", "c"))
    rows = {row["below"]: row for row in metrics["abstention"]}
    assert (rows[0.0]["answered"], rows[0.0]["mistakes"], rows[0.0]["error"]) == (4, 2, 0.5)
    # a confidence of just 0.9 is answered: the model abstains below the threshold
    assert (rows[0.9]["answered"], rows[0.9]["mistakes"]) == (3, 2)
    assert (rows[0.95]["coverage"], rows[0.95]["error"]) == (0.5, 0.5)
    assert (rows[0.999]["answered"], rows[0.999]["error"], rows[0.999]["error_interval"]) == (0, None, None)


def test_cross_fitted_figures_are_the_same_with_wider_intervals():
    names, folds = ("a", "b", "c", "d"), np.arange(500) % 5
    plain = classification_metrics(PROBABILITIES, LABELS, names)
    crossed = classification_metrics(PROBABILITIES, LABELS, names, folds)

    def wider(one, other):
        return one[0] < other[0] and one[1] > other[1]

    assert crossed["error"] == plain["error"] and wider(crossed["error_interval"], plain["error_interval"])
    for name in names:
        rows = crossed["per_class"][name], plain["per_class"][name]
        assert wider(*(row["recall_interval"] for row in rows))
    for rows in zip(crossed["abstention"], plain["abstention"], strict=True):
        assert rows[0]["mistakes"] == rows[1]["mistakes"]
        assert not rows[1]["mistakes"] or wider(*(row["error_interval"] for row in rows))
