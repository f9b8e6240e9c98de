"""The verdict on a published number: an equivalence test with two uncertain sides."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from slotpipeline.analysis.verdict import MEANINGS, NumberVerdict, Verdict, judge_number, paper_half_width
from slotpipeline.results.reference import Published

samples = st.lists(st.floats(90, 100).map(lambda value: round(value, 2)), min_size=2, max_size=6)
tolerances = st.floats(0.01, 3)
means = st.floats(90, 100)


def number(value: float, half_range: float | None = None, reading: float = 0.02) -> Published:
    low, high = (None, None) if half_range is None else (value - half_range, value + half_range)
    return Published("k-sweep", "mnist", value, low, high, reading, "", "")


def exact(mean: float, spread: float, n: int) -> list[float]:
    """n numbers with exactly this mean and standard deviation."""
    raw = np.arange(n) - (n - 1) / 2
    return list(mean + spread * raw / raw.std(ddof=1))


@pytest.mark.parametrize(
    ("mean", "published", "verdict", "if_exact"),
    [
        (98.00, number(98.0), Verdict.REPRODUCED, Verdict.REPRODUCED),
        (97.00, number(98.0), Verdict.BELOW, Verdict.BELOW),
        (99.00, number(98.0), Verdict.ABOVE, Verdict.ABOVE),
        # On the edge of the tolerance.
        (98.13, number(98.0), Verdict.INCONCLUSIVE, Verdict.INCONCLUSIVE),
        # Inside the tolerance, but not by the error of reading the figure; outside it, but not by that error.
        (98.11, number(98.0, reading=0.1), Verdict.INCONCLUSIVE, Verdict.INCONCLUSIVE),
        (98.20, number(98.0, reading=0.1), Verdict.INCONCLUSIVE, Verdict.INCONCLUSIVE),
        # The paper's seeds spread: its mean is uncertain too.
        (98.05, number(98.0, half_range=0.1), Verdict.INCONCLUSIVE, Verdict.REPRODUCED),
        # Its own interval is wider than the margin.
        (98.00, number(98.0, half_range=1.0), Verdict.TOO_UNCERTAIN, Verdict.REPRODUCED),
        # A margin that the reading uses up leaves nothing to reproduce.
        (98.00, number(98.0, reading=0.15), Verdict.TOO_UNCERTAIN, Verdict.INCONCLUSIVE),
        (97.00, number(98.0, reading=0.15), Verdict.BELOW, Verdict.BELOW),
    ],
)  # fmt: skip
def test_verdicts(mean: float, published: Published, verdict: Verdict, if_exact: Verdict) -> None:
    judged = judge_number(exact(mean, 0.02, 10), published, 0.15)
    assert (judged.verdict, judged.if_exact) == (verdict, if_exact)


def test_too_few_seeds_decide_nothing() -> None:
    nothing = NumberVerdict(0, None, None, None, None, Verdict.NOT_RUN, Verdict.NOT_RUN)
    assert judge_number([], number(98), 0.15) == nothing
    assert judge_number([98.0], number(98), 0.15).verdict == Verdict.TOO_FEW_SEEDS
    assert judge_number([98.0, 98.0], number(98), 0.15).verdict == Verdict.INCONCLUSIVE  # no spread to go by
    four = exact(98.0, 0.02, 4)
    assert judge_number(four, number(98), 0.15).verdict == Verdict.REPRODUCED
    assert judge_number(four, number(98), 0.15, minimum_seeds=5).verdict == Verdict.TOO_FEW_SEEDS


def test_both_sides_of_the_interval() -> None:
    judged = judge_number(exact(98.02, 0.05, 10), number(98.0, half_range=0.1), 0.15)
    own, paper = 0.05**2 / 10, (0.2 / 2.059) ** 2 / 4
    freedom = (own + paper) ** 2 / (own**2 / 9 + paper**2 / 3)
    half = stats.t.ppf(0.95, freedom) * math.sqrt(own + paper)
    assert (judged.low, judged.high) == pytest.approx((0.02 - half, 0.02 + half))
    assert paper_half_width(number(98.0, half_range=0.1)) == pytest.approx(2.3534 * 0.2 / 2.059 / 2, rel=1e-4)


def test_the_range_of_four_normal_seeds_gives_their_deviation() -> None:
    draws = np.random.default_rng(0).normal(size=(200_000, 4))
    assert np.ptp(draws, axis=1).mean() == pytest.approx(2.059, abs=0.01)


@given(samples, means, tolerances)
def test_reproduced_means_that_both_one_sided_tests_reject(
    accuracies: list[float], published: float, tolerance: float
) -> None:
    assume(np.std(accuracies) > 1e-3)
    lower = stats.ttest_1samp(accuracies, published - tolerance, alternative="greater").pvalue
    upper = stats.ttest_1samp(accuracies, published + tolerance, alternative="less").pvalue
    assume(abs(max(lower, upper) - 0.05) > 1e-6)
    judged = judge_number(accuracies, number(published, reading=0.0), tolerance)
    assert judged.p_value == pytest.approx(max(lower, upper), abs=1e-9)
    assert (judged.verdict == Verdict.REPRODUCED) == (max(lower, upper) < 0.05)


@given(samples, means, tolerances, st.floats(0, 0.5))
def test_mirrored_numbers_get_the_mirrored_verdict(
    accuracies: list[float], published: float, tolerance: float, half_range: float
) -> None:
    mirror = {Verdict.ABOVE: Verdict.BELOW, Verdict.BELOW: Verdict.ABOVE}
    verdict = judge_number(accuracies, number(published, half_range), tolerance).verdict
    mirrored = judge_number([-value for value in accuracies], number(-published, half_range), tolerance).verdict
    assert mirrored == mirror.get(verdict, verdict)


@given(samples, means, tolerances, st.floats(0, 2))
def test_a_wider_tolerance_never_takes_a_reproduction_away(
    accuracies: list[float], published: float, tolerance: float, more: float
) -> None:
    if judge_number(accuracies, number(published), tolerance).verdict == Verdict.REPRODUCED:
        assert judge_number(accuracies, number(published), tolerance + more).verdict == Verdict.REPRODUCED


@given(samples, means, tolerances)
def test_beyond_the_tolerance_the_mean_is_beyond_it_too(
    accuracies: list[float], published: float, tolerance: float
) -> None:
    difference = float(np.mean(accuracies)) - published
    verdict = judge_number(accuracies, number(published), tolerance).verdict
    if verdict in (Verdict.ABOVE, Verdict.BELOW):
        assert abs(difference) > tolerance + 0.02 - 1e-9 and (difference > 0) == (verdict == Verdict.ABOVE)
    if verdict == Verdict.REPRODUCED:
        assert abs(difference) <= tolerance - 0.02 + 1e-9


def test_every_verdict_is_explained_to_the_reader() -> None:
    assert set(MEANINGS) == set(Verdict)
