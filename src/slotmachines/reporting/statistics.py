"""Means of a few seeds and how far they can be trusted.

All intervals are Student's t-intervals: with three to five seeds a percentile bootstrap of a nominal 95% covers far
less than that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from scipy import stats

Interval = tuple[float, float]


@dataclass(frozen=True)
class Summary:
    """What a cell's accuracies say; `sd` and `interval` are None where one value cannot give them."""

    n: int
    mean: float
    minimum: float
    maximum: float
    sd: float | None
    interval: Interval | None


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


def summarise(values: Sequence[float]) -> Summary:
    """Mean, spread and 95% t-interval of at least one value."""
    return Summary(
        n=len(values),
        mean=fmean(values),
        minimum=min(values),
        maximum=max(values),
        sd=stdev(values) if len(values) > 1 else None,
        interval=t_interval(values),
    )
