"""95 % confidence intervals: of one accuracy, of a mean over seeds, of differences, of ranks."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

LEVEL = 0.95
NORMAL_QUANTILE = statistics.NormalDist().inv_cdf((1 + LEVEL) / 2)
FEWEST_RANKED = 5  # points of a rank correlation, of which an interval says something


@dataclass(frozen=True)
class Interval:
    """An ``estimate`` and its 95 % confidence interval from ``low`` to ``high``, from ``n`` images,
    seeds or pairs. One seed says nothing of its noise: its interval is infinite."""

    estimate: float
    low: float
    high: float
    n: int

    @property
    def half(self) -> float:
        """Half of the interval's width: the figure after a ±."""
        return (self.high - self.low) / 2

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


def share(hits: int, n: int) -> Interval:
    """Return Wilson's interval for the share ``hits`` of ``n``, between 0 and 1 (Wilson 1927)."""
    from scipy.stats import binomtest

    found = binomtest(hits, n).proportion_ci(LEVEL, "wilson")
    return Interval(hits / n, float(found.low), float(found.high), n)


def accuracy(percent: float, images: int) -> Interval:
    """Return the accuracy of one run in %, on so many ``images``: Wilson's interval. It holds the
    noise of which images were drawn, not that of training."""
    found = share(round(percent * images / 100), images)
    return Interval(percent, 100 * found.low, 100 * found.high, images)


def accuracy_difference(first: float, second: float, images: int) -> Interval:
    """Return ``first`` − ``second``, accuracies of one run each in %, as if on ``images`` of their
    own: Newcombe's interval, put together of Wilson's (Newcombe 1998, method 10)."""
    a, b = accuracy(first, images), accuracy(second, images)
    below = math.hypot(first - a.low, b.high - second)
    above = math.hypot(a.high - first, second - b.low)
    return Interval(first - second, first - second - below, first - second + above, images)


def mean(values: Sequence[float]) -> Interval:
    """Return the mean over seeds: Student's t interval, for noise that is about normal. It holds
    the noise of training; that of which images were drawn is in it only as far as seeds draw
    them."""
    from scipy.special import stdtrit  # the quantile of Student's t

    n, middle = len(values), statistics.fmean(values)
    if n < 2:
        return Interval(middle, -math.inf, math.inf, n)
    half = float(stdtrit(n - 1, (1 + LEVEL) / 2)) * statistics.stdev(values) / math.sqrt(n)
    return Interval(middle, middle - half, middle + half, n)


def paired_difference(first: Sequence[float], second: Sequence[float]) -> Interval:
    """Return the mean of ``first`` − ``second``, value by value: Student's t interval. What a pair
    has in common, such as its data order and its split, is not in the noise."""
    return mean([a - b for a, b in zip(first, second, strict=True)])


def difference_of_means(first: Interval, second: Interval) -> Interval:
    """Return ``first`` − ``second``, means over seeds of their own: Welch's interval (Welch
    1947)."""
    from scipy.special import stdtrit

    gap, n = first.estimate - second.estimate, min(first.n, second.n)
    if n < 2:
        return Interval(gap, -math.inf, math.inf, n)
    errors = [(m.half / float(stdtrit(m.n - 1, (1 + LEVEL) / 2)), m.n - 1) for m in (first, second)]
    variance = sum(error**2 for error, _ in errors)
    if variance == 0:
        return Interval(gap, gap, gap, n)
    freedom = variance**2 / sum(error**4 / own for error, own in errors)
    half = float(stdtrit(freedom, (1 + LEVEL) / 2)) * math.sqrt(variance)
    return Interval(gap, gap - half, gap + half, n)


def rank_correlation(points: Sequence[tuple[float, float]]) -> Interval | None:
    """Return Kendall's τ-b of pairs, with the interval of Fieller, Hartley and Pearson (1957).
    Where all pairs agree, the interval is as if half of one did not: a few that agree do not show
    that all do. Returns None below ``FEWEST_RANKED`` points, and where one side is all the same."""
    from scipy.stats import kendalltau

    n = len(points)
    if n < FEWEST_RANKED or min(len(set(side)) for side in zip(*points, strict=True)) < 2:
        return None
    tau = float(kendalltau(*zip(*points, strict=True)).statistic)
    most = 1 - 2 / (n * (n - 1))
    middle = math.atanh(max(-most, min(most, tau)))
    half = NORMAL_QUANTILE * math.sqrt(0.437 / (n - 4))
    low, high = math.tanh(middle - half), math.tanh(middle + half)
    return Interval(tau, min(tau, low), max(tau, high), n)
