"""The temperature, the debiased calibration error, and sets of labels."""

from __future__ import annotations

import numpy as np
import pytest

from ssgan_tf.metrics.calibration import debiased_calibration_error, equal_mass_bins, equal_mass_sums
from ssgan_tf.metrics.conformal import fewest_images, label_thresholds, labels_that_remain
from ssgan_tf.metrics.probabilities import softmax
from ssgan_tf.metrics.temperature import fit_temperature, without_own_fold


def draw(count, classes=4, temperature=1.0, seed=0):
    """Logits that say the truth at a temperature, and labels."""
    generator = np.random.default_rng(seed)
    logits = 2 * generator.normal(size=(count, classes))
    chances = softmax(logits).cumsum(axis=1)
    labels = (generator.random(count)[:, None] > chances).sum(axis=1).clip(max=classes - 1)
    return logits * temperature, labels


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_is_found_again(temperature):
    logits, labels = draw(4000, temperature=temperature)
    assert fit_temperature(logits, labels) == pytest.approx(temperature, rel=0.08)


def test_no_temperature_without_mistakes_or_with_few_images():
    logits, labels = draw(400)
    assert fit_temperature(logits[:49], labels[:49]) is None
    assert fit_temperature(logits, logits.argmax(axis=1)) is None


def test_the_temperature_of_a_fold_is_that_of_the_others():
    logits, labels = draw(600, temperature=2.0)
    folds = np.arange(600) % 3
    found = without_own_fold(logits, labels, folds)
    changed = np.where(folds == 1, (labels + 1) % 4, labels)
    again = without_own_fold(logits, changed, folds)
    assert (found[folds == 1] == again[folds == 1]).all() and (found[folds == 0] != again[folds == 0]).all()
    assert found == pytest.approx(2.0, rel=0.3)


def test_bins_hold_equal_numbers_and_ties_stay_together():
    confidence = np.random.default_rng(0).random(1500)
    assert set(np.bincount(equal_mass_bins(confidence, 15))) == {100}
    assert len(set(equal_mass_bins(np.full(100, 0.7), 15))) == 1
    probabilities = softmax(draw(300)[0])
    assert equal_mass_sums(probabilities, draw(300)[1]).counts.sum() == 300


def test_the_debiased_error_is_near_0_where_confidence_is_true_and_near_the_truth_elsewhere():
    true, boastful = [], []
    for seed in range(30):
        logits, labels = draw(500, seed=seed)
        true.append(debiased_calibration_error(softmax(logits), labels, resamples=100))
        boastful.append(debiased_calibration_error(softmax(logits, 0.3), labels, resamples=100))
    # without the debiasing it is 0.06 at 500 images
    assert np.mean([found.value for found in true]) < 0.03
    assert np.mean([found.interval[0] for found in true]) < 0.005
    large = debiased_calibration_error(softmax(draw(200_000)[0], 0.3), draw(200_000)[1], resamples=2).value
    holds = np.mean([low <= large <= high for _, (low, high) in boastful])
    assert holds >= 0.85


def test_sets_hold_the_true_label_as_often_as_they_say():
    held = []
    for seed in range(200):
        probabilities, labels = softmax(draw(140, seed=seed)[0], 0.4), draw(140, seed=seed)[1]
        lows = label_thresholds(probabilities[:99], labels[:99], 0.1).lows
        remain = labels_that_remain(probabilities[99:], lows)
        held.append(remain[np.arange(41), labels[99:]].mean())
    assert 0.89 <= np.mean(held) <= 0.93


def test_a_set_for_each_class_where_labels_allow():
    # two classes of which the model likes the first
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, 4000)
    first = np.clip(0.75 - 0.3 * labels + 0.1 * generator.normal(size=4000), 0.01, 0.99)
    probabilities = np.stack([first, 1 - first], axis=1)
    found = label_thresholds(probabilities[:2000], labels[:2000], 0.1)
    assert found.by_class and found.lows[0] != found.lows[1]
    remain = labels_that_remain(probabilities[2000:], found.lows)
    for label in range(2):
        here = labels[2000:] == label
        reach = probabilities[2000:][here, label] >= found.lows[label]
        assert reach.mean() == pytest.approx(0.9, abs=0.03) and remain[here, label][reach].all()
    assert remain.any(axis=1).all()
    few = label_thresholds(probabilities[:12], labels[:12], 0.1)
    assert not few.by_class and len(set(few.lows)) == 1 and "each class" in few.sentence
    none = label_thresholds(probabilities[:8], labels[:8], 0.1)
    assert none.lows == () and "at least 9 labelled images" in none.sentence
    assert [fewest_images(alpha) for alpha in (0.5, 0.1, 0.05, 0.01)] == [1, 9, 19, 99]


def test_sets_are_those_of_mapie():
    conformal = pytest.importorskip("mapie.classification")
    from sklearn.linear_model import LogisticRegression

    logits, labels = draw(600, seed=5)
    model = LogisticRegression().fit(logits[:200], labels[:200])
    other = conformal.SplitConformalClassifier(
        model, confidence_level=0.99, conformity_score="lac", prefit=True
    )
    other.conformalize(logits[200:400], labels[200:400])
    _, sets = other.predict_set(logits[400:])
    # too few of each class for thresholds of their own, which is the form that is compared
    found = label_thresholds(model.predict_proba(logits[200:400]), labels[200:400], 0.01)
    assert not found.by_class
    ours = labels_that_remain(model.predict_proba(logits[400:]), found.lows)
    assert (ours == sets[:, :, 0]).all() and 1 < ours.sum(axis=1).mean() < 4


def test_the_threshold_is_the_direct_formula():
    probabilities, labels = softmax(draw(57, seed=9)[0]), draw(57, seed=9)[1]
    # one class without labels: there is one threshold for all
    labels = np.where(labels == 0, 1, labels)
    scores = 1 - probabilities[np.arange(57), labels]
    level = np.ceil(58 * 0.8) / 57
    expected = 1 - np.quantile(scores, level, method="inverted_cdf")
    found = label_thresholds(probabilities, labels, 0.2)
    assert not found.by_class and found.lows[0] == pytest.approx(expected, abs=2e-6)
