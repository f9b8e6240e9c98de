"""Intervals of a few seeds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from slotmachines.reporting.statistics import compare_means, summarise, t_interval, welch_interval

accuracies = st.lists(st.floats(0, 100), min_size=2, max_size=8)


def test_interval_of_a_worked_example() -> None:
    # mean 98, sd 0.1, t(2 degrees of freedom, 97.5%) = 4.30265: half-width 0.1 / sqrt(3) * 4.30265
    assert t_interval([97.9, 98.0, 98.1]) == pytest.approx((98 - 0.248413, 98 + 0.248413), abs=1e-5)


def test_one_seed_has_a_mean_but_no_interval() -> None:
    summary = summarise([97.5])
    assert (summary.n, summary.mean, summary.interval) == (1, 97.5, None)
    assert welch_interval([97.5], [97.0, 97.1]) is None


@given(accuracies)
def test_summary_agrees_with_scipy(values: list[float]) -> None:
    summary = summarise(values)
    assert summary.minimum <= summary.mean + 1e-9
    assert summary.mean <= summary.maximum + 1e-9
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


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(-1, 1)), min_size=2, max_size=6))
def test_cells_of_the_same_seeds_are_compared_in_pairs(pairs: list[tuple[float, float]]) -> None:
    first = {seed: level + more for seed, (level, more) in enumerate(pairs)}
    second = {seed: level for seed, (level, _) in enumerate(pairs)}
    found = compare_means(first, second)
    differences = np.array(list(first.values())) - np.array(list(second.values()))
    assert (found.mean, found.pairs) == (pytest.approx(differences.mean(), abs=1e-9), len(pairs))
    if differences.std() > 1e-6:
        expected = stats.ttest_rel(list(first.values()), list(second.values())).confidence_interval(0.95)
        assert found.interval == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_pairing_takes_out_what_the_seeds_have_in_common() -> None:
    first, second = {0: 90.1, 1: 95.1, 2: 98.15}, {0: 90.0, 1: 95.0, 2: 98.0}
    paired = compare_means(first, second).interval
    assert paired is not None
    assert 0 < paired[0] < paired[1] < 0.3
    assert (welch_interval(list(first.values()), list(second.values())) or (0, 0))[0] < -5


def test_only_seeds_of_both_cells_count_where_there_are_pairs() -> None:
    found = compare_means({0: 98.0, 1: 98.2, 2: 50.0}, {1: 98.1, 0: 97.9, 7: 10.0})
    assert (found.mean, found.pairs) == (pytest.approx(0.1), 2)


@pytest.mark.parametrize("others", [{3: 97.0, 4: 97.2}, {0: 97.0, 4: 97.2}])
def test_cells_without_two_common_seeds_are_independent_samples(others: dict[int, float]) -> None:
    found = compare_means({0: 98.0, 1: 98.2}, others)
    assert (found.mean, found.pairs) == (pytest.approx(1.0), 0)
    assert found.interval == welch_interval([98.0, 98.2], [97.0, 97.2])
    assert compare_means({0: 98.0}, others).interval is None
