"""Means of a few seeds and how far they can be trusted.

All intervals are Student's t-intervals: with three to five seeds a percentile bootstrap of a nominal 95% covers far
less than that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from scipy import stats

Interval = tuple[float, float]


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
    """Difference of two means with its 95% interval (None: too few values), from so many pairs (0: not paired)."""

    mean: float
    interval: Interval | None
    pairs: int


def t_interval(values: Sequence[float], confidence: float = 0.95) -> Interval | None:
    """Interval of the mean of independent normal values with unknown variance; None for fewer than two values."""
    n = len(values)
    if n < 2:
        return None
    half = float(stats.t.ppf((1 + confidence) / 2, n - 1)) * stdev(values) / math.sqrt(n)
    mean = fmean(values)
    return mean - half, mean + half


def welch_interval(first: Sequence[float], second: Sequence[float], confidence: float = 0.95) -> Interval | None:
    """Interval of mean(first) - mean(second) for samples of unequal variance; None where either has fewer than two."""
    if min(len(first), len(second)) < 2:
        return None
    if stdev(first) == stdev(second) == 0:
        difference = fmean(first) - fmean(second)
        return difference, difference
    interval = stats.ttest_ind(first, second, equal_var=False).confidence_interval(confidence)
    return float(interval.low), float(interval.high)


def compare_means(first: Mapping[int, float], second: Mapping[int, float]) -> Difference:
    """Difference of the means of two cells, first minus second, each given as seed -> accuracy.

    Runs of one seed share the random values, the order of the images and more, so they are pairs: where at least two
    seeds are in both cells, only these count, and the interval is that of the mean of their differences. Otherwise all
    count, as independent samples (Welch).
    """
    common = sorted(first.keys() & second.keys())
    if len(common) > 1:
        differences = [first[seed] - second[seed] for seed in common]
        return Difference(fmean(differences), t_interval(differences), len(common))
    ones, others = list(first.values()), list(second.values())
    return Difference(fmean(ones) - fmean(others), welch_interval(ones, others), 0)


def summarise(values: Sequence[float]) -> Summary:
    """Mean, spread and 95% t-interval of at least one value."""
    return Summary(
        n=len(values),
        mean=fmean(values),
        minimum=min(values),
        maximum=max(values),
        interval=t_interval(values),
    )
