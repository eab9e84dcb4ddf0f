"""Slices: a worse one is found, and among equal ones none is called worse more often than is said."""

import numpy as np
import pytest
from scipy.stats import fisher_exact

from ssgan_tf.metrics.intervals import share_interval
from ssgan_tf.metrics.slices import LEVEL, chance_of_more, holm, slice_rows, worst_slice


@pytest.mark.parametrize(
    ("wrong", "count", "others_wrong", "others"), [(3, 9, 4, 80), (0, 5, 2, 5), (7, 7, 0, 9)]
)
def test_the_chance_is_that_of_fishers_exact_test(wrong, count, others_wrong, others):
    table = [[wrong, count - wrong], [others_wrong, others - others_wrong]]
    expected = fisher_exact(table, alternative="greater").pvalue
    assert chance_of_more(wrong, count, others_wrong, others) == pytest.approx(expected)


def test_what_folds_share_makes_a_difference_less_sure():
    plain, inflated = (chance_of_more(30, 100, 40, 300, inflation) for inflation in (1.0001, 2.25))
    assert chance_of_more(30, 100, 40, 300) == pytest.approx(plain, abs=2e-3)
    assert plain < inflated < 0.5
    for nothing in ((0, 0, 1, 9), (1, 9, 0, 0)):
        assert chance_of_more(*nothing) == chance_of_more(*nothing, 2.0) == 1
    assert chance_of_more(5, 5, 9, 9, 2.0) == 1


def test_among_many_small_slices_none_is_called_worse_by_one_mistake():
    random, alarms, rounds = np.random.default_rng(0), 0, 50
    site = np.repeat([f"site {n}" for n in range(32)], [1] * 30 + [200] * 2)
    for _ in range(rounds):
        rows = slice_rows({"site": site}, random.random(len(site)) < 0.02, 2.25)
        alarms += min(row["chance"] for row in rows) <= LEVEL
    assert alarms / rounds <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / rounds)


def test_holms_correction():
    # four hypotheses: 0.005 * 4, 0.01 * 3, 0.03 * 2, then no less than the one before
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == [] and holm([0.4]) == [0.4]
    random = np.random.default_rng(0)
    for _ in range(50):
        chances = random.random(9) ** 3
        adjusted = np.array(holm(chances))
        # never smaller than before, never stricter than Bonferroni's, and in the same order
        assert (adjusted >= chances).all() and (adjusted <= np.minimum(9 * chances, 1) + 1e-12).all()
        assert (np.diff(adjusted[np.argsort(chances)]) >= 0).all()


def test_a_worse_slice_is_named_with_its_figures():
    camera = np.array(["old"] * 40 + ["new"] * 160)
    site = np.array(["", "north"] * 100)
    wrong = np.zeros(200, bool)
    wrong[:20] = wrong[40:46] = True
    rows = slice_rows({"camera": camera, "site": site}, wrong)
    assert [(row["column"], row["value"], row["count"]) for row in rows] == [
        ("camera", "new", 160),
        ("camera", "old", 40),
        ("site", "", 100),
        ("site", "north", 100),
    ]
    old = rows[1]
    assert (old["error"], old["wrong"], old["error_of_others"]) == (0.5, 20, 6 / 160)
    assert old["error_interval"] == list(share_interval(20, 40))
    assert old["chance"] == pytest.approx(4 * chance_of_more(20, 40, 6, 160)) and old["chance"] < LEVEL
    sentence = worst_slice(rows)
    assert sentence.startswith("The worst slice is camera = old: 50.0% (20 of 40 images")
    assert "the others of its column 3.8%" in sentence and "Holm's correction for 4 slices" in sentence


def test_where_nothing_stands_out_that_is_said():
    wrong = np.arange(100) % 5 == 0
    rows = slice_rows({"site": np.array(["a", "b"] * 50)}, wrong)
    assert worst_slice(rows).startswith(
        "No slice errs more than the others beyond chance (Holm's correction for 2"
    )
    assert "nothing to compare" in worst_slice(slice_rows({"site": np.array(["a"] * 100)}, wrong))


def test_among_equal_slices_one_is_called_worse_in_five_per_cent_at_most():
    random, named, runs = np.random.default_rng(1), 0, 100
    for _ in range(runs):
        slices = {name: random.integers(0, 12, 600).astype(str) for name in ("camera", "site")}
        rows = slice_rows(slices, random.random(600) < 0.1)
        named += min(row["chance"] for row in rows) <= LEVEL
    # 5 of 100 would be 5 %; without the correction it is most of them
    assert named <= 10
