"""A spread that the cells of a small study share, and the cells that do not share it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from hypothesis import given
from hypothesis import strategies as st

from slotpipeline.analysis.pooled_variance import pool
from slotpipeline.analysis.statistics import interval_and_p


def drawn(cells: int, seeds: int, spread: float = 0.1, seed: int = 0) -> list[dict[int, float]]:
    values = 97 + spread * np.random.default_rng(seed).standard_normal((cells, seeds)).round(2)
    return [dict(enumerate(map(float, row))) for row in values + np.arange(cells)[:, None]]


@given(st.integers(3, 8), st.integers(2, 4), st.integers(0, 2**31))
def test_it_is_the_residual_of_cells_and_seeds(cells: int, seeds: int, seed: int) -> None:
    found = drawn(cells, seeds, seed=seed)
    shared = pool(found, level=1e-9)  # none leaves
    if shared is None:
        return
    long = pd.DataFrame([found[one] for one in sorted(shared.members)]).melt(ignore_index=False).reset_index()
    long.columns = pd.Index(["cell", "seed", "accuracy"])
    fit = smf.ols("accuracy ~ C(cell) + C(seed)", long).fit()
    assert (shared.variance, shared.freedom) == (pytest.approx(fit.mse_resid), fit.df_resid)
    contrast = fit.t_test("C(cell)[T.1] = 0") if 0 in shared.members and len(shared.members) == cells else None
    if contrast is not None:
        interval, p_value = interval_and_p(float(contrast.effect[0]), shared.error, shared.freedom)
        assert interval == pytest.approx(tuple(contrast.conf_int()[0]))
        assert p_value == pytest.approx(float(contrast.pvalue), abs=1e-9)


def test_a_cell_that_varies_more_and_one_that_does_not_vary_keep_their_own_spread() -> None:
    wild, still = {0: 90.0, 1: 97.0, 2: 94.0}, {0: 9.8, 1: 9.8, 2: 9.8}
    alike = pool(drawn(6, 3))
    shared = pool([wild, *drawn(6, 3), still])
    assert alike is not None and shared is not None
    assert shared.members == frozenset(range(1, 7))
    assert shared.variance == pytest.approx(alike.variance)


def test_two_cells_and_cells_that_are_shifted_alike_have_nothing_to_share() -> None:
    assert pool(drawn(2, 3)) is None
    same = {0: 97.0, 1: 97.1, 2: 97.4}
    assert pool([{seed: value + shift for seed, value in same.items()} for shift in range(3)]) is None


def test_a_false_alarm_is_as_rare_as_it_says() -> None:
    """Of 2,000 studies without any difference, some 5% find one between two given cells."""
    alarms = 0
    for seed in range(2000):
        found = [
            {one: value - shift for one, value in cell.items()} for shift, cell in enumerate(drawn(8, 3, seed=seed))
        ]
        shared = pool(found)
        if shared is not None and {0, 1} <= shared.members:
            mean = sum(found[0].values()) / 3 - sum(found[1].values()) / 3
            alarms += interval_and_p(mean, shared.error, shared.freedom)[1] < 0.05
    assert 60 < alarms < 140


@pytest.mark.parametrize("spreads", [(2, 2, 1, 1, 1, 1), (3, 3, 1, 1, 1, 1), (3, 1, 1, 1, 1, 1), (3, 3, 3, 1, 1, 1)])
def test_cells_that_vary_more_find_no_more_differences(spreads: tuple[int, ...]) -> None:
    """Of 400 studies without any difference, the pair that varies more finds one in far fewer than 10%."""
    generator = np.random.default_rng(0)
    alarms = 0
    for _ in range(400):
        values = generator.normal(size=3) + generator.normal(size=(6, 3)) * np.array(spreads)[:, None]
        cells = [dict(enumerate(map(float, row))) for row in values]
        first, second = cells[:2]
        alone = [first[seed] - second[seed] for seed in first]
        error, freedom = float(np.std(alone, ddof=1)) / 3**0.5, 2
        shared = pool(cells)
        if shared is not None and {0, 1} <= shared.members and shared.covers(first, second):
            error, freedom = shared.error, shared.freedom
        alarms += interval_and_p(float(np.mean(alone)), error, freedom)[1] < 0.05
    assert alarms < 40
