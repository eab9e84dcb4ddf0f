"""Two-sample tests of what a classifier sees: false alarms at their level, and shifts noticed."""

import numpy as np
import pytest

from ssgan_tf.metrics.shift import Seen, class_test, feature_test, holm, shift_tests


def drawn(random, count, shift=0.0, share=0.5):
    """Images of three classes; features, confidence and class belong together."""
    class_id = random.choice(3, count, p=[share, (1 - share) / 2, (1 - share) / 2])
    features = random.normal(size=(count, 6)) + class_id[:, None] + shift
    confidence = np.round(1 / (1 + np.exp(-3 - features[:, 0])), 2)
    return Seen(features.astype(np.float32), confidence, class_id)


def test_false_alarms_are_at_their_level():
    random, level, rounds = np.random.default_rng(0), 0.05, 200
    p_values, alarms = [], 0
    for seed in range(rounds):
        found = shift_tests(drawn(random, 60), drawn(random, 35), seed=seed, permutations=99)
        p_values.append([test.p_value for test in found])
        alarms += min(test.adjusted for test in found) <= level
    noise = 3 * np.sqrt(level * (1 - level) / rounds)
    assert alarms / rounds <= level + noise
    shares = (np.array(p_values) <= level).mean(0)
    # confidences have ties, which makes that test careful; the others are exact
    assert (shares <= level + noise).all() and (shares[1:] >= level - noise).all()
    assert alarms > 0


@pytest.mark.parametrize("change", [{"shift": 0.8}, {"share": 0.95}])
def test_a_shift_is_noticed(change):
    random = np.random.default_rng(1)
    found = shift_tests(drawn(random, 300), drawn(random, 100, **change))
    assert min(test.adjusted for test in found) < 0.01
    assert [test.name for test in found] == ["confidence", "predicted classes", "features"]


def test_the_discrepancy_is_that_of_its_definition():
    random = np.random.default_rng(2)
    x, y = random.normal(size=(7, 3)), random.normal(0.5, 1, size=(5, 3))
    both = np.concatenate([x, y])
    scaled = (both - both.mean(0)) / both.std(0)
    square = ((scaled[:, None] - scaled[None]) ** 2).sum(-1)
    kernel = np.exp(-square / np.median(square[np.triu_indices(12, 1)]))
    xx, yy, xy = kernel[:7, :7], kernel[7:, 7:], kernel[:7, 7:]
    by_hand = (xx.sum() - 7) / 42 + (yy.sum() - 5) / 20 - 2 * xy.mean()
    statistic, p_value = feature_test(x, y, np.random.default_rng(0), 19)
    assert statistic == pytest.approx(by_hand, rel=1e-4) and p_value in np.arange(1, 21) / 20


def test_what_does_not_vary_is_no_shift():
    random = np.random.default_rng(0)
    assert class_test(np.zeros(9, int), np.zeros(4, int), random, 19) == (0.0, 1.0)
    assert feature_test(np.ones((9, 2)), np.ones((4, 2)), random, 19) == (0.0, 1.0)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.9, 0.9]) == [1.0, 1.0, 1.0]
