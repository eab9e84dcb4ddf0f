"""The promise of a classifier that abstains: how often it is broken, and what it costs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from ssgan_tf.metrics.certificate import (
    ESTIMATED,
    GRID_POINTS,
    PROMISED,
    REFUSED,
    Asked,
    answers,
    certify,
    error_bound,
    estimate,
    images_needed,
    threshold_grid,
)

ASKED = Asked(0.01, 0.95)
DRAWS = 2000


def kinds():
    """Errors by rank of confidence, 0 the surest, and what may be answered with 1 % wrong."""
    return {
        "a step": (lambda x: np.where(x < 0.9, 0.001, 0.3), 0.9 + 0.0081 / 0.29),
        "a slope": (lambda x: 0.5 * x**8, 0.18 ** (1 / 8)),
        # the same error everywhere, a little above: no threshold may pass
        "nowhere": (lambda x: np.full_like(x, 0.0101), 0.0),
    }


def draw(error, generator, count):
    rank = generator.random(count)
    return 1 - rank, generator.random(count) < error(rank)


@pytest.mark.parametrize("kind", list(kinds()))
def test_a_promise_is_broken_in_5_percent_of_draws_at_most_and_is_not_idle(kind):
    error, most = kinds()[kind]
    generator = np.random.default_rng(7)
    answered, too_low = [], 0
    for _ in range(DRAWS):
        grid = threshold_grid(generator.random(500), count=1000, asked=ASKED)
        found = certify(*draw(error, generator, 1000), grid, ASKED)
        answered.append(0.0 if found.threshold is None else 1 - found.threshold)
        too_low += found.coverage_low > answered[-1]
    noise = 3 * np.sqrt(0.05 * 0.95 / DRAWS)
    assert np.mean(np.array(answered) > most) <= 0.05 + noise
    assert too_low / DRAWS <= 0.05 + noise
    if most:
        assert np.mean(answered) >= best_single_test(error, 1000) - 0.05


def best_single_test(error, count):
    """The coverage of the best threshold, had one known it beforehand: it is tested alone."""
    numbers = np.arange(1, count + 1)
    allowed = np.array([np.sum([n >= images_needed(k, ASKED) for k in range(8)]) for n in numbers]) - 1
    found = []
    for coverage in np.linspace(0.3, 1, 36):
        within = error(np.linspace(0, coverage, 2001)).mean()
        if within <= ASKED.error:
            passes = binom.cdf(allowed, numbers, within) @ binom.pmf(numbers, count, coverage)
            found.append(coverage * passes)
    return max(found)


def test_a_dishonest_grid_would_be_seen():
    """The threshold that answers most among all that pass alone: what the fixed order protects from."""
    generator = np.random.default_rng(7)
    broken = 0
    for _ in range(200):
        confidence, wrong = draw(kinds()["nowhere"][0], generator, 1000)
        grid = np.linspace(0.7, 0, 40)
        broken += any(certify(confidence, wrong, grid[i:], ASKED).threshold is not None for i in range(40))
    assert broken / 200 > 0.1


def test_images_needed_are_those_of_the_exact_test():
    assert [images_needed(k, ASKED) for k in range(3)] == [299, 473, 628]
    for wrong in range(4):
        number = images_needed(wrong, ASKED)
        assert error_bound(wrong, number, 0.95) <= 0.01 < error_bound(wrong, number - 1, 0.95)


def test_tests_stop_at_the_first_that_does_not_pass():
    # 400 right, then 3 wrong, then 600 right: a laxer threshold would pass again
    confidence = np.linspace(1, 0.001, 1003)
    wrong = np.zeros(1003, bool)
    wrong[400:403] = True
    grid = np.array([confidence[399], confidence[420], confidence[1002]])
    found = certify(confidence, wrong, grid, ASKED)
    assert (found.state, found.answered, found.wrong) == (PROMISED, 400, 0)
    assert certify(confidence, wrong, grid[2:], ASKED).answered == 1003
    assert certify(confidence, wrong, grid[1:], ASKED).state == REFUSED


def test_the_grid_falls_to_0_and_does_not_look_at_the_images_checked_on():
    grid = threshold_grid(np.linspace(0, 1, 300), count=1000, asked=ASKED)
    assert (np.diff(grid) < 0).all() and grid[-1] == 0 and len(grid) == GRID_POINTS
    # as many are expected as two mistakes need
    assert 628 <= 1000 * (1 - grid[0]) <= 720
    # confidences that float32 cannot tell from 1
    assert threshold_grid(np.ones(300), count=1000, asked=ASKED).tolist() == [0.999999, 0.0]


def test_the_sentence_is_given_or_refused_with_what_would_do():
    confidence, wrong = np.linspace(1, 0, 735), np.zeros(735, bool)
    wrong[[10, 20]] = True
    grid = np.array([confidence[639]])
    found = certify(confidence, wrong, grid, ASKED)
    assert found.sentence == (
        "It answers 87 % of images (at least 84 %); among its answers at most 1 % are wrong, with 95 % "
        "confidence (2 of 640 wrong where this was checked). The promise holds for images like those it was "
        "checked on."
    )
    assert found.error_bound <= 0.01
    few = certify(confidence[:200], wrong[:200], grid, ASKED)
    assert (
        few.state == REFUSED and few.threshold is None and "at least 99 labelled images more" in few.sentence
    )
    assert "299 with none, 473 with 1, 628 with 2" in few.sentence
    wrong[30] = True
    near = certify(confidence, wrong, grid, ASKED)
    # 773 with three mistakes: 133 more answers, of which 640 came from 735
    assert "773 answered images: about 153 labelled images more" in near.sentence
    wrong[:40] = True
    assert "more labels would not do" in certify(confidence, wrong, grid, ASKED).sentence


def test_an_estimate_chooses_each_threshold_without_the_images_it_counts():
    generator = np.random.default_rng(3)
    confidence, wrong = draw(kinds()["a slope"][0], generator, 400)
    folds = np.arange(400) % 5
    found = estimate(confidence, wrong, folds, ASKED)
    assert found.state == ESTIMATED and "no promise" in found.sentence and found.error_bound is None
    # the mistakes of one fold cannot move the threshold that it is counted at
    flipped = np.where(folds == 0, False, wrong)
    alone = estimate(confidence, flipped, folds, ASKED)
    others = folds != 0
    assert answers(confidence[others], found.threshold).any()
    chosen = [f.answered for f in (found, alone)]
    assert chosen[1] >= chosen[0]
    none = estimate(confidence, np.ones(400, bool), folds, ASKED)
    assert none.answered == 0 and none.threshold is None


def test_thresholds_compare_as_in_the_served_graph():
    assert answers(np.array([0.9]), 0.9).all() and answers(np.array([np.float32(0.9)]), 0.9).all()
