"""Intervals hold the truth as often as they say, and comparisons claim no more than they may."""

import importlib.util
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

from ssgan_tf.metrics.intervals import (
    chance_if_worse,
    chance_of_difference,
    difference_inflation,
    largest_difference,
    share_interval,
    variance_inflation,
)

TOOL = Path(__file__).resolve().parents[2] / "tools" / "simulate_intervals.py"


@pytest.fixture(scope="module")
def simulation():
    spec = importlib.util.spec_from_file_location("simulate_intervals", TOOL)
    module = importlib.util.module_from_spec(spec)
    # its dataclasses look their module up
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("labels", [60, 200, 1000])
def test_the_reported_interval_holds_the_error_of_the_model_that_counts(simulation, labels):
    found = [
        simulation.coverage(
            simulation.simulate(
                learner, simulation.Mixture(classes, apart), labels, runs=50, seed=3, more=2000
            )
        )
        for learner in ("centroid", "discriminant")
        for classes, apart in ((2, 1.5), (5, 3.0), (10, 3.0))
    ]
    assert np.mean([one["error"] for one in found]) >= 0.93
    assert np.mean([one["recall"] for one in found]) >= 0.93
    # not idle: the widest is below twice that of independent answers
    assert 1 <= np.mean([one["times"] for one in found]) < 2
    assert (labels == 1000) == (found[0]["times"] == 1)


@pytest.mark.parametrize("labels", [60, 200])
def test_of_equally_good_learners_one_is_called_better_in_one_of_twenty_runs_at_most(simulation, labels):
    rates, runs = [], 50
    for learner in simulation.LEARNERS:
        for classes in (2, 10):
            pair = simulation.paired(learner, simulation.Mixture(classes, 2.5), labels, runs=runs, seed=5)
            rates.append(simulation.claims(*pair))
    assert np.mean(rates) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / (runs * len(rates)))
    # and a learner that lacks half of what the other sees is told apart
    better = simulation.paired("centroid", simulation.Mixture(10, 4.0), labels, runs=runs, seed=5, missing=10)
    assert simulation.claims(*better) > 0.4


def test_a_model_that_is_worse_by_the_margin_passes_in_one_of_twenty_comparisons():
    random = np.random.default_rng(0)
    for count, only_old, only_new in ((400, 0.04, 0.03), (1000, 0.015, 0.005), (268, 0.01, 0.0)):
        draws = random.multinomial(count, [only_old, only_new, 1 - only_old - only_new], 2000)
        pairs, times = np.unique(draws[:, :2], axis=0, return_counts=True)
        chances = np.array([chance_if_worse(*pair, count, margin=0.01) for pair in pairs.tolist()])
        assert times[chances <= 0.05].sum() / 2000 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 2000)
    # and one that is not worse passes where there are images enough
    draws = random.multinomial(4000, [0.01, 0.01, 0.98], 300)
    assert np.mean([chance_if_worse(w, b, 4000, margin=0.01) <= 0.05 for w, b, _ in draws]) > 0.9


def test_the_largest_difference_is_where_the_test_turns():
    for worse, better in ((0, 0), (5, 3), (3, 9), (40, 0)):
        most = largest_difference(worse, better, 500)
        assert (worse - better) / 500 < most < 1
        assert chance_if_worse(worse, better, 500, margin=most) == pytest.approx(0.05, abs=1e-6)
        assert largest_difference(worse, better, 500, inflation=2.0) > most
    # without an image that tells them apart: 0.99 ** 298 > 0.05 >= 0.99 ** 299
    for count in (298, 299):
        assert chance_if_worse(0, 0, count, margin=0.01) == pytest.approx(0.99**count)


def test_wilsons_interval_of_a_plain_test_split():
    for hits, count in ((0, 10), (1, 10), (7, 30), (30, 30), (5, 359)):
        theirs = binomtest(hits, count).proportion_ci(method="wilson")
        assert share_interval(hits, count) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
        low, high = share_interval(hits, count, inflation=2.25)
        assert low <= theirs.low and high >= theirs.high
    assert share_interval(0, 0) == (0, 1)
    # no mistake in ten answers is no promise
    assert share_interval(0, 10)[1] > 0.25


def test_answers_of_folds_that_differ_count_less():
    folds = np.repeat(np.arange(5), 40)
    even, uneven = np.tile([1, 0, 0, 0], 50), np.repeat([1, 0, 0, 0, 0.25], 40)
    assert variance_inflation(even, None) == difference_inflation(even, None) == 1
    assert variance_inflation(even, folds) == 1 + 5 / 4
    assert difference_inflation(even, folds) == 5 / 4
    assert variance_inflation(uneven, folds) > 10
    assert variance_inflation(np.zeros(200), folds) == 1 + 5 / 4
    assert variance_inflation(even, np.zeros(200)) == 1


def test_cross_fitted_answers_need_a_larger_difference():
    assert chance_of_difference(0, 0, 1.25) == 1
    assert chance_of_difference(12, 2) == pytest.approx(binomtest(12, 14).pvalue)
    assert chance_of_difference(12, 2) < chance_of_difference(12, 2, 1.25) < 0.05
    assert chance_of_difference(2, 12, 1.25) == chance_of_difference(12, 2, 1.25)
