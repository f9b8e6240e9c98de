"""The random values and initial scores of all connections."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from slotmachines.slots import random_options as options
from slotmachines.slots.random_options import OptionPool, value_bound_of

DTYPES = [torch.float32, torch.float64]


@pytest.mark.parametrize(
    ("shape", "fans"), [((300, 784), 1084), ((64, 3, 3, 3), 27 + 576), ((8, 2, 5), 10 + 40), ((4, 1, 2, 2, 2), 8 + 32)]
)
def test_named_bounds_are_those_of_glorot_and_bengio(shape, fans):
    assert value_bound_of(torch.Size(shape), "glorot-uniform") == pytest.approx(math.sqrt(6 / fans), rel=1e-15)
    assert value_bound_of(torch.Size(shape), "glorot-deviation") == pytest.approx(math.sqrt(2 / fans), rel=1e-15)
    weight = torch.nn.init.xavier_uniform_(torch.empty(shape))
    assert weight.abs().max() <= value_bound_of(torch.Size(shape), "glorot-uniform")


def test_bound_given_as_a_number():
    assert value_bound_of(torch.Size([3, 4]), 0.25) == 0.25


@pytest.mark.parametrize("bound", ["glorot", 0, -1.0, math.nan, math.inf])
def test_bad_bounds_are_refused(bound):
    with pytest.raises(ValueError, match="value bound"):
        value_bound_of(torch.Size([3, 4]), bound)


def test_numbers_stay_the_same_for_ever():
    # Other numbers would orphan every result obtained before.
    values, scores = OptionPool(0, "dense1.weight", 2, 1.0, 1.0, torch.float32).table(3)
    assert values.tolist() == [
        [-0.6579830646514893, -0.9430394172668457, -0.9305936098098755],
        [-0.4119075536727905, 0.962293267250061, -0.7684216499328613],
    ]
    assert scores.tolist() == [
        [0.3306083679199219, 0.015669524669647217, 0.6582936644554138],
        [0.012049615383148193, 0.1827913522720337, 0.23183250427246094],
    ]
    values, scores = OptionPool(0, "dense1.weight", 1, 1.0, 1.0, torch.float64).table(1)
    assert (values.item(), scores.item()) == (-0.6579829821018679, 0.3306084266157945)


def test_numbers_depend_on_seed_and_name():
    drawn = [OptionPool(s, n, 2, 1.0, 1.0, torch.float32).table(5)[0] for s in (0, 1) for n in ("a.weight", "b.weight")]
    assert len({tuple(values.flatten().tolist()) for values in drawn}) == 4


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**63 - 1), st.integers(0, 40), st.integers(1, 12), st.integers(0, 12), st.sampled_from(DTYPES))
def test_more_options_begin_with_the_same_ones(seed, connections, few, more, dtype):
    small = OptionPool(seed, "w", few, 0.3, 0.7, dtype).table(connections)
    large = OptionPool(seed, "w", few + more, 0.3, 0.7, dtype).table(connections)
    assert all(torch.equal(a, b[:few]) for a, b in zip(small, large, strict=True))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**63 - 1), st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
def test_both_precisions_hold_the_same_numbers(seed, bound, score_bound):
    single = OptionPool(seed, "w", 3, bound, score_bound, torch.float32).table(50)
    double = OptionPool(seed, "w", 3, bound, score_bound, torch.float64).table(50)
    for a, b, unit in zip(single, double, (bound, score_bound), strict=True):
        assert a.dtype == torch.float32 and b.dtype == torch.float64
        assert (a.double() - b).abs().max() <= 4 * 2**-24 * unit


def test_values_and_scores_fill_their_ranges():
    values, scores = OptionPool(3, "w", 4, 0.5, 0.125, torch.float32).table(20_000)
    assert values.abs().max() <= 0.5 and scores.min() >= 0 and scores.max() < 0.125
    assert values.min() < -0.4999 and values.max() > 0.4999 and scores.min() < 1e-4 and scores.max() > 0.1249
    assert abs(values.mean()) < 0.005 and abs(scores.mean() - 0.0625) < 0.001
    assert values.var().item() == pytest.approx(0.5**2 / 3, rel=0.02)
    assert abs(torch.corrcoef(torch.cat([values, scores])) - torch.eye(8)).max() < 0.03


def test_float32_numbers_lie_on_a_grid_of_24_bits():
    values, scores = OptionPool(3, "w", 2, 1.0, 1.0, torch.float32).table(1000)
    assert torch.equal(values.double() * 2**23, (values.double() * 2**23).round())
    assert torch.equal(scores.double() * 2**24, (scores.double() * 2**24).round())


def test_chunks_and_threads_change_nothing(monkeypatch):
    expected = OptionPool(5, "w", 3, 0.1, 0.2, torch.float32).table(1001)
    monkeypatch.setattr(options, "_CHUNK", 64)
    torch.set_num_threads(2)
    try:
        drawn = OptionPool(5, "w", 3, 0.1, 0.2, torch.float32).table(1001)
    finally:
        torch.set_num_threads(1)
    assert all(torch.equal(a, b) for a, b in zip(drawn, expected, strict=True))
