"""Intervals of a few seeds."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from slotpipeline.analysis.statistics import compare_means, holm, one_sided_p, summarise, t_interval, welch_interval

accuracies = st.lists(st.floats(0, 100), min_size=2, max_size=8)
hundredths = st.integers(0, 10_000).map(lambda number: number / 100)  # as accuracies on 10,000 images are
cells = st.dictionaries(st.integers(0, 6), hundredths, min_size=1, max_size=5)
# scipy warns where one of two samples is constant, which is no fault of theirs.
CONSTANT = pytest.mark.filterwarnings("ignore:Precision loss occurred:RuntimeWarning")
p_values = st.lists(st.none() | st.floats(0, 1), max_size=12)


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
    assert (narrow is None) == (wide is None) == (len(set(values)) == 1)
    if narrow and wide:
        assert wide[0] <= narrow[0] <= narrow[1] <= wide[1]


def test_the_interval_covers_the_true_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(1000):
        low, high = t_interval(list(rng.normal(98, 0.1, size=3))) or (0.0, 0.0)
        covered += low <= 98 <= high
    assert 925 <= covered <= 975


def test_equal_values_say_nothing_about_how_much_others_would_differ() -> None:
    assert t_interval([98.4, 98.4]) is None
    assert welch_interval([98.0, 98.0], [97.0, 97.0, 97.0]) is None
    assert one_sided_p([98.4, 98.4], 98.21, above=True) is None


def test_a_bound_of_the_interval_and_the_one_sided_test_agree() -> None:
    values = [97.9, 98.0, 98.2, 98.1]
    low, high = t_interval(values, 0.90) or (0.0, 0.0)
    assert one_sided_p(values, low, above=True) == pytest.approx(0.05)
    assert one_sided_p(values, high, above=False) == pytest.approx(0.05)
    assert one_sided_p(values, 98.05, above=True) == pytest.approx(0.5)


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
        test = stats.ttest_rel(list(first.values()), list(second.values()))
        expected = test.confidence_interval(0.95)
        assert found.interval == pytest.approx((expected.low, expected.high), abs=1e-6)
        assert found.p_value == pytest.approx(test.pvalue, rel=1e-2, abs=1e-9)
        assert found.effect == pytest.approx(differences.mean() / differences.std(ddof=1), rel=1e-2, abs=1e-6)


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


@CONSTANT
@given(cells, cells)
def test_the_difference_turns_its_sign_when_the_cells_are_swapped(
    first: dict[int, float], second: dict[int, float]
) -> None:
    there, back = compare_means(first, second), compare_means(second, first)
    assert there.mean == pytest.approx(-back.mean, abs=1e-9)
    assert (there.pairs, there.p_value) == (back.pairs, pytest.approx(back.p_value, abs=1e-9))
    assert (there.effect is None) == (back.effect is None)
    if there.effect is not None and back.effect is not None:
        assert there.effect == pytest.approx(-back.effect, rel=1e-6, abs=1e-9)
    if there.interval is not None and back.interval is not None:
        assert there.interval == pytest.approx((-back.interval[1], -back.interval[0]), abs=1e-9)


@CONSTANT
@given(cells, cells)
def test_the_order_of_the_seeds_does_not_matter(first: dict[int, float], second: dict[int, float]) -> None:
    turned = dict(reversed(first.items()))
    assert compare_means(turned, second).mean == pytest.approx(compare_means(first, second).mean, abs=1e-9)


@CONSTANT
@given(cells, cells)
def test_a_p_value_below_5_percent_is_an_interval_without_zero(
    first: dict[int, float], second: dict[int, float]
) -> None:
    found = compare_means(first, second)
    assert (found.effect is None) == (found.p_value is None)
    if found.p_value is None or found.interval is None or abs(found.p_value - 0.05) < 1e-6:
        return
    low, high = found.interval
    assert low <= found.mean <= high
    assert (found.p_value < 0.05) == (low > 0 or high < 0)


@given(st.lists(hundredths, min_size=2, max_size=5), st.integers(-500, 500).map(lambda number: number / 100))
def test_a_difference_that_never_varies_has_no_test(values: list[float], more: float) -> None:
    # 98.1 - 98.0 and 97.2 - 97.1 are not the same binary fraction, which is no evidence of anything.
    second = dict(enumerate(values))
    found = compare_means({seed: round(value + more, 2) for seed, value in second.items()}, second)
    assert (found.effect, found.p_value, found.pairs) == (None, None, len(values))
    assert found.mean == pytest.approx(more, abs=1e-9)
    assert found.interval is None


def test_effect_sizes_of_worked_examples() -> None:
    # differences 1, 2, 3: mean 2, standard deviation 1; t = 2 sqrt(3) with 2 degrees of freedom
    paired = compare_means({0: 91.0, 1: 92.0, 2: 93.0}, {0: 90.0, 1: 90.0, 2: 90.0})
    assert (paired.effect, paired.p_value) == (pytest.approx(2.0), pytest.approx(0.0742, abs=1e-4))
    # both with standard deviation 1, four points apart
    apart = compare_means({0: 94.0, 1: 95.0, 2: 96.0}, {3: 90.0, 4: 91.0, 5: 92.0})
    assert (apart.effect, apart.pairs) == (pytest.approx(4.0), 0)
    assert apart.p_value == pytest.approx(stats.ttest_ind([94, 95, 96], [90, 91, 92], equal_var=False).pvalue)


def test_too_few_runs_for_any_test() -> None:
    found = compare_means({0: 98.0}, {0: 97.5})
    assert (found.mean, found.interval, found.pairs, found.effect, found.p_value) == (0.5, None, 0, None, None)


def test_correction_of_a_worked_example() -> None:
    assert holm([0.01, 0.04, None, 0.03, 0.005]) == pytest.approx([0.03, 0.06, None, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.04]) == [0.04]
    assert holm([None, 0.9, 0.8]) == [None, 1.0, 1.0]


@given(p_values)
def test_corrected_p_values_are_no_smaller_keep_their_order_and_end_at_one(values: list[float | None]) -> None:
    corrected = holm(values)
    pairs = [(p, q) for p, q in zip(values, corrected, strict=True) if p is not None and q is not None]
    assert [q is None for q in corrected] == [p is None for p in values]
    assert all(p <= q <= 1 for p, q in pairs)
    assert all(one[1] <= other[1] for one in pairs for other in pairs if one[0] <= other[0])


@given(p_values, st.randoms())
def test_the_correction_does_not_depend_on_the_order(values: list[float | None], random: Random) -> None:
    order = list(range(len(values)))
    random.shuffle(order)
    corrected = holm(values)
    assert holm([values[position] for position in order]) == [corrected[position] for position in order]


@given(p_values)
def test_the_correction_is_holms(values: list[float | None]) -> None:
    """By definition: the largest, over all p-values up to this one, of p times how many are at least as large."""
    known = sorted(p for p in values if p is not None)
    for p, q in zip(values, holm(values), strict=True):
        if p is not None:
            steps = [other * (len(known) - rank) for rank, other in enumerate(known) if other <= p]
            assert q == pytest.approx(min(1.0, max(steps)))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.sampled_from([0.05, 0.01, 0.2]))
def test_what_holm_rejects_step_by_step_ends_below_the_level(values: list[float], level: float) -> None:
    assume(all(abs(p * n - level) > 1e-9 for p in values for n in range(1, len(values) + 1)))
    rejected: set[int] = set()
    for rank, position in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        if values[position] * (len(values) - rank) >= level:
            break
        rejected.add(position)
    assert {position for position, q in enumerate(holm(values)) if q is not None and q < level} == rejected
