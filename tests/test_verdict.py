"""The equivalence test behind every verdict."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from slotpipeline.analysis.verdict import MEANINGS, Verdict, equivalence

samples = st.lists(st.floats(90, 100).map(lambda value: round(value, 2)), min_size=2, max_size=6)
tolerances = st.floats(0.01, 3)
published_values = st.floats(90, 100)


@pytest.mark.parametrize(
    ("accuracies", "expected"),
    [
        ([98.19, 98.21, 98.22], Verdict.REPRODUCED),
        ([98.60, 98.61, 98.62], Verdict.ABOVE),
        ([97.60, 97.61, 97.62], Verdict.BELOW),
        ([98.00, 98.20, 98.50], Verdict.INCONCLUSIVE),  # right on average, but too uncertain
        ([98.36, 98.38, 98.40], Verdict.INCONCLUSIVE),  # on the edge of the tolerance
        ([98.21], Verdict.INCONCLUSIVE),  # one seed says nothing about the spread
    ],
)
def test_examples_around_the_paper_at_98_21(accuracies: list[float], expected: Verdict) -> None:
    assert equivalence(accuracies, published=98.21, tolerance=0.17) == expected


@given(samples, published_values, tolerances)
def test_reproduced_means_that_both_one_sided_tests_reject(
    accuracies: list[float], published: float, tolerance: float
) -> None:
    assume(np.std(accuracies) > 1e-3)
    lower = stats.ttest_1samp(accuracies, published - tolerance, alternative="greater").pvalue
    upper = stats.ttest_1samp(accuracies, published + tolerance, alternative="less").pvalue
    assume(abs(max(lower, upper) - 0.05) > 1e-6)
    assert (equivalence(accuracies, published, tolerance) == Verdict.REPRODUCED) == (max(lower, upper) < 0.05)


@given(samples, published_values, tolerances)
def test_mirrored_numbers_get_the_mirrored_verdict(accuracies: list[float], published: float, tolerance: float) -> None:
    mirror = {Verdict.ABOVE: Verdict.BELOW, Verdict.BELOW: Verdict.ABOVE}
    verdict = equivalence(accuracies, published, tolerance)
    assert equivalence([-value for value in accuracies], -published, tolerance) == mirror.get(verdict, verdict)


@given(samples, published_values, tolerances, st.floats(0, 2))
def test_a_wider_tolerance_never_takes_a_reproduction_away(
    accuracies: list[float], published: float, tolerance: float, more: float
) -> None:
    if equivalence(accuracies, published, tolerance) == Verdict.REPRODUCED:
        assert equivalence(accuracies, published, tolerance + more) == Verdict.REPRODUCED


@given(samples, published_values, tolerances)
def test_beyond_the_tolerance_the_mean_is_beyond_it_too(
    accuracies: list[float], published: float, tolerance: float
) -> None:
    difference = float(np.mean(accuracies)) - published
    verdict = equivalence(accuracies, published, tolerance)
    if verdict == Verdict.ABOVE:
        assert difference > tolerance - 1e-9
    if verdict == Verdict.BELOW:
        assert difference < -tolerance + 1e-9
    if verdict == Verdict.REPRODUCED:
        assert abs(difference) <= tolerance + 1e-9


def test_every_verdict_is_explained_to_the_reader() -> None:
    assert set(MEANINGS) == set(Verdict)
