"""Means of a few seeds and how far they can be trusted.

All intervals are Student's t-intervals: with three to five seeds a percentile bootstrap of a nominal 95% covers far
less than that. Each function imports scipy itself: planning a grid imports this module, and needs no statistics. Where
Student's distribution is all that is needed, it comes from scipy.special, which loads in a fifth of scipy.stats' time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

Interval = tuple[float, float]

COLLAPSE = 10.0
"""A run has collapsed if it lies more than so many points of accuracy below those that it belongs to."""


@dataclass(frozen=True)
class Summary:
    """What a cell's accuracies say; `interval` is None where one value cannot give it."""

    n: int
    mean: float
    minimum: float
    maximum: float
    interval: Interval | None


@dataclass(frozen=True)
class Difference:
    """Difference of the means of two cells.

    Attributes:
        mean: first minus second.
        interval: its 95% interval; None where there are too few values.
        pairs: number of pairs that it is the mean of; 0 where the samples are independent.
        effect: standardised: the mean difference by the standard deviation of the differences (Cohen's d_z) for pairs,
            by the pooled standard deviation (Cohen's d) otherwise; None without an interval, or where nothing varies.
        p_value: of Student's paired t-test, or Welch's; None likewise.
    """

    mean: float
    interval: Interval | None
    pairs: int
    effect: float | None
    p_value: float | None


def t_quantile(share: float, freedom: float) -> float:
    """The value below which a share of Student's t-distribution lies."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, share))


def t_above(value: float, freedom: float) -> float:
    """The share of Student's t-distribution that lies above a value."""
    from scipy.special import stdtr

    return float(stdtr(freedom, -value))


def t_interval(values: Sequence[float], confidence: float = 0.95) -> Interval | None:
    """Interval of the mean of independent normal values with unknown variance.

    None for fewer than two values, and for values that are all equal: accuracies are multiples of 0.01 points, so two
    of them can be, and say nothing about how much others would differ.
    """
    n = len(values)
    if n < 2 or stdev(values) == 0:
        return None
    half = t_quantile((1 + confidence) / 2, n - 1) * stdev(values) / math.sqrt(n)
    mean = fmean(values)
    return mean - half, mean + half


def welch_interval(first: Sequence[float], second: Sequence[float], confidence: float = 0.95) -> Interval | None:
    """Interval of mean(first) - mean(second) for samples of unequal variance; None where `t_interval` is."""
    if min(len(first), len(second)) < 2 or stdev(first) == stdev(second) == 0:
        return None
    from scipy import stats

    interval = stats.ttest_ind(first, second, equal_var=False).confidence_interval(confidence)
    return float(interval.low), float(interval.high)


def collapsed(values: Sequence[float]) -> int:
    """How many runs of one cell collapsed: lie more than 10 points below its best one.

    Means and intervals of such a cell say little: its accuracies are bounded and lie in two heaps.
    """
    return sum(value < max(values) - COLLAPSE for value in values)


def compare_means(first: Mapping[int, float], second: Mapping[int, float]) -> Difference:
    """Difference of the means of two cells, first minus second, each given as seed -> accuracy.

    Runs of one seed share the random values, the order of the images and more, so they are pairs: where at least two
    seeds are in both cells, only these count, and the interval is that of the mean of their differences. Otherwise all
    count, as independent samples (Welch).
    """
    common = sorted(first.keys() & second.keys())
    if len(common) > 1:
        # Rounded, or differences that are all alike would vary by what binary fractions cannot hold.
        differences = [round(first[seed] - second[seed], 9) for seed in common]
        mean, spread = fmean(differences), stdev(differences)
        effect = mean / spread if spread > 0 else None
        p_value = 2 * t_above(abs(effect) * math.sqrt(len(common)), len(common) - 1) if effect is not None else None
        return Difference(mean, t_interval(differences), len(common), effect, p_value)
    ones, others = list(first.values()), list(second.values())
    mean, interval = fmean(ones) - fmean(others), welch_interval(ones, others)
    if interval is None:
        return Difference(mean, interval, 0, None, None)
    from scipy import stats

    squares = stdev(ones) ** 2 * (len(ones) - 1) + stdev(others) ** 2 * (len(others) - 1)
    pooled = math.sqrt(squares / (len(ones) + len(others) - 2))
    return Difference(mean, interval, 0, mean / pooled, float(stats.ttest_ind(ones, others, equal_var=False).pvalue))


def interval_and_p(mean: float, error: float, freedom: float, confidence: float = 0.95) -> tuple[Interval, float]:
    """Interval of a mean with a known standard error (above 0), and the p-value that it is 0, by Student's t."""
    half = t_quantile((1 + confidence) / 2, freedom) * error
    return (mean - half, mean + half), 2 * t_above(abs(mean) / error, freedom)


def one_sided_p(values: Sequence[float], limit: float, *, above: bool) -> float | None:
    """P-value of Student's one-sided t-test that the mean lies above a limit, or below it; None as `t_interval`."""
    if t_interval(values) is None:
        return None
    distance = (fmean(values) - limit) / (stdev(values) / math.sqrt(len(values)))
    return t_above(distance if above else -distance, len(values) - 1)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """P-values corrected for how many there are, by Holm's step-down procedure (1979); None stays None.

    The smallest of m is multiplied by m, the next by m - 1, and so on; none ends below one before it, nor above 1.
    """
    known = sorted((p, position) for position, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, position) in enumerate(known):
        highest = max(highest, min(1.0, p * (len(known) - rank)))
        corrected[position] = highest
    return corrected


def summarise(values: Sequence[float]) -> Summary:
    """Mean, spread and 95% t-interval of at least one value."""
    return Summary(
        n=len(values),
        mean=fmean(values),
        minimum=min(values),
        maximum=max(values),
        interval=t_interval(values),
    )
