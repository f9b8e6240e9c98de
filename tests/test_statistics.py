"""Intervals of a few seeds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from slotmachines.reporting.statistics import summarise, t_interval, welch_interval

accuracies = st.lists(st.floats(0, 100), min_size=2, max_size=8)


def test_interval_of_a_worked_example() -> None:
    # mean 98, sd 0.1, t(2 degrees of freedom, 97.5%) = 4.30265: half-width 0.1 / sqrt(3) * 4.30265
    assert t_interval([97.9, 98.0, 98.1]) == pytest.approx((98 - 0.248413, 98 + 0.248413), abs=1e-5)


def test_one_seed_has_a_mean_but_no_interval() -> None:
    summary = summarise([97.5])
    assert (summary.n, summary.mean, summary.sd, summary.interval) == (1, 97.5, None, None)
    assert welch_interval([97.5], [97.0, 97.1]) is None


@given(accuracies)
def test_summary_agrees_with_scipy(values: list[float]) -> None:
    summary = summarise(values)
    assert summary.minimum <= summary.mean + 1e-9
    assert summary.mean <= summary.maximum + 1e-9
    assert summary.sd == pytest.approx(np.std(values, ddof=1), abs=1e-9)
    scale = np.std(values, ddof=1) / np.sqrt(len(values))
    if scale > 1e-6:
        expected = stats.t.interval(0.95, len(values) - 1, loc=np.mean(values), scale=scale)
        assert summary.interval == pytest.approx(expected, abs=1e-6)


@given(accuracies)
def test_more_confidence_is_a_wider_interval(values: list[float]) -> None:
    narrow, wide = t_interval(values, 0.90), t_interval(values, 0.95)
    assert narrow is not None
    assert wide is not None
    assert wide[0] <= narrow[0] <= narrow[1] <= wide[1]


def test_the_interval_covers_the_true_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(1000):
        low, high = t_interval(list(rng.normal(98, 0.1, size=3))) or (0.0, 0.0)
        covered += low <= 98 <= high
    assert 925 <= covered <= 975


def test_welch_interval_of_constant_samples_is_their_difference() -> None:
    assert welch_interval([98.0, 98.0], [97.0, 97.0, 97.0]) == (1.0, 1.0)


def test_welch_interval_is_antisymmetric() -> None:
    first, second = [98.1, 98.2, 98.4], [97.0, 97.9]
    low, high = welch_interval(first, second) or (0.0, 0.0)
    assert low < 98.2333 - 97.45 < high
    assert welch_interval(second, first) == pytest.approx((-high, -low))
