"""Confidence intervals against published figures and against scipy's own tests."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from search.common.statistics import (
    accuracy,
    accuracy_difference,
    difference_of_means,
    mean,
    paired_difference,
    rank_correlation,
    share,
)


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_a_shares_interval_is_wilsons(hits: int, n: int, low: float, high: float) -> None:
    """Newcombe (1998), Two-sided confidence intervals for the single proportion, table I."""
    found = share(hits, n)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)
    assert found.estimate == hits / n
    assert found.n == n


def test_an_accuracy_is_in_percent_of_images() -> None:
    found = accuracy(100 * 81 / 263, 263)
    assert found.low == pytest.approx(25.53, abs=0.005)
    assert found.high == pytest.approx(36.62, abs=0.005)
    assert 30 in found
    assert 40 not in found


def test_a_difference_of_accuracies_is_newcombes() -> None:
    """Each bound is the hypotenuse of two of Wilson's distances (Newcombe 1998, Interval
    estimation for the difference between independent proportions, method 10)."""
    found = accuracy_difference(80.0, 60.0, 70)
    a, b = share(56, 70), share(42, 70)
    assert found.estimate == pytest.approx(20)
    assert found.low == pytest.approx(20 - 100 * math.hypot(0.8 - a.low, b.high - 0.6))
    assert found.high == pytest.approx(20 + 100 * math.hypot(a.high - 0.8, 0.6 - b.low))
    turned = accuracy_difference(60.0, 80.0, 70)
    assert (turned.low, turned.high) == (pytest.approx(-found.high), pytest.approx(-found.low))


def test_a_mean_over_seeds_has_students_interval() -> None:
    values = [71.2, 70.4, 72.0, 71.7, 70.9]
    found = mean(values)
    theirs = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (found.low, found.high) == (pytest.approx(theirs.low), pytest.approx(theirs.high))
    # t for 4 degrees of freedom is 2.776 in any table
    assert found.half == pytest.approx(2.776 * np.std(values, ddof=1) / math.sqrt(5), rel=1e-3)
    assert (found.estimate, found.n) == (pytest.approx(71.24), 5)


def test_pairs_take_out_what_they_have_in_common() -> None:
    rng = np.random.default_rng(0)
    order = rng.normal(0, 10, 8)
    first = 3 + order + rng.normal(0, 0.1, 8)
    second = order + rng.normal(0, 0.1, 8)
    found = paired_difference(first, second)
    theirs = stats.ttest_rel(first, second).confidence_interval(0.95)
    assert (found.low, found.high) == (pytest.approx(theirs.low), pytest.approx(theirs.high))
    assert found.half < 0.2


def test_one_seed_says_nothing_of_its_noise() -> None:
    found = mean([70.0])
    assert found.estimate == 70
    assert (found.low, found.high) == (-math.inf, math.inf)
    assert 0 in found


def test_equal_pairs_have_no_noise() -> None:
    found = paired_difference([2.0, 3.0, 4.0], [1.0, 2.0, 3.0])
    assert (found.estimate, found.low, found.high) == (1, 1, 1)


def test_pairs_must_be_pairs() -> None:
    with pytest.raises(ValueError, match="shorter"):
        paired_difference([1.0, 2.0], [1.0])


def test_a_rank_correlations_interval_holds_the_truth() -> None:
    """Of a bivariate normal distribution Kendall's τ is 2/π · arcsin ρ."""
    draw, truth, rounds = np.random.default_rng(0), 2 / math.pi * math.asin(0.6), 400
    found = []
    for _ in range(rounds):
        points = draw.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], 20).tolist()
        interval = rank_correlation([(x, y) for x, y in points])
        assert interval is not None
        found.append(truth in interval)
    assert 0.92 < sum(found) / rounds < 0.98


def test_a_few_ranks_that_agree_do_not_show_that_all_do() -> None:
    found = rank_correlation([(i, 10.0 * i) for i in range(6)])
    assert found is not None
    assert (found.estimate, found.high, found.n) == (pytest.approx(1), pytest.approx(1), 6)
    assert 0.2 < found.low < 0.8
    turned = rank_correlation([(i, -i) for i in range(6)])
    assert turned is not None
    assert turned.low == pytest.approx(-1)
    assert turned.high == pytest.approx(-found.low)


def test_ranks_of_too_few_or_of_equals_say_nothing() -> None:
    assert rank_correlation([(i, i) for i in range(4)]) is None
    assert rank_correlation([(i, 1.0) for i in range(9)]) is None


def test_a_difference_of_means_is_welchs() -> None:
    ours, theirs = [93.1, 92.4, 94.0, 93.3], [91.0, 92.2, 90.1]
    found = difference_of_means(mean(ours), mean(theirs))
    wanted = stats.ttest_ind(ours, theirs, equal_var=False).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high))
    assert found.estimate == pytest.approx(np.mean(ours) - np.mean(theirs))
    assert found.n == 3


def test_a_difference_of_means_without_noise_or_with_one_seed() -> None:
    exact = difference_of_means(mean([2.0, 2.0]), mean([1.0, 1.0]))
    assert (exact.low, exact.high) == (1.0, 1.0)
    alone = difference_of_means(mean([2.0]), mean([1.0, 1.5]))
    assert (alone.low, alone.high) == (-math.inf, math.inf)
