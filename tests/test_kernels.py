"""The two rules: in plain PyTorch against their definition, and compiled against plain PyTorch."""

import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from slotmachines.slots.kernels import cpu, kernels_for, plain
from slotmachines.slots.kernels.cache import Cache
from slotmachines.slots.random_options import SHARINGS, OptionPool
from slotmachines.slots.straight_through import StraightThrough

KERNELS = pytest.mark.parametrize("kernels", [plain, cpu], ids=["plain", "compiled"])
DTYPES = st.sampled_from([torch.float32, torch.float64])
SCALES = (1.0, 0.5, 1e-3, 1e-30, 0.0, -1.0)


def pool_of(options, *, seed=3, value_bound=0.1, score_bound=0.1, dtype=torch.float32, sharing="none"):
    return OptionPool(seed, "a.weight", options, value_bound, score_bound, dtype, sharing)


def thetas(connections, seed, dtype=torch.float32, scale=1.0):
    theta = scale * torch.randn(connections, generator=torch.Generator().manual_seed(seed), dtype=dtype)
    return theta * (torch.arange(connections) % 10 != 0)  # some were never trained, as under the black pixels of MNIST


def number(value, dtype=torch.float32):
    return torch.tensor(value, dtype=dtype)


# The rule


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32), st.integers(1, 64), st.sampled_from([1.0, 0.5, 0.0, -0.5, -2.0]),
    st.sampled_from([None, 1, 2, 4]), DTYPES,
)  # fmt: skip
def test_the_highest_score_wins_and_of_equals_the_lowest_option(seed, options, scale, grid, dtype):
    generator = torch.Generator().manual_seed(seed)
    theta, values, scores = (
        torch.rand(shape, generator=generator, dtype=dtype) * 2 - 1 for shape in [(50,), (options, 50), (options, 50)]
    )
    if grid:  # where many scores are equal
        theta, values, scores = ((tensor * grid).round() / grid for tensor in (theta, values, scores))
    exact = [
        [Fraction(scale) * Fraction(s) + Fraction(w) * Fraction(t) for s, w in zip(ss, ws, strict=True)]
        for t, ss, ws in zip(theta.tolist(), scores.T.tolist(), values.T.tolist(), strict=True)
    ]
    assert plain.best_of(theta, number(scale, dtype), values, scores).tolist() == [s.index(max(s)) for s in exact]


@KERNELS
@pytest.mark.parametrize("scale", [1e-30, 1e-45, -1e-30, 0.0])
def test_a_vanishing_score_scale_leaves_the_extreme_options(kernels, scale):
    pool, theta = pool_of(8), thetas(500, 0)
    values, scores = pool.table(500)
    trained = theta != 0
    best = kernels.best_option(theta, number(scale), pool)
    assert torch.equal(best[trained], torch.where(theta > 0, values.argmax(0), values.argmin(0))[trained])
    untrained = scores.argmin(0) if scale < 0 else scores.argmax(0) if scale > 0 else torch.zeros(500).long()
    assert torch.equal(best[~trained], untrained[~trained])


@KERNELS
@pytest.mark.parametrize("sharing", SHARINGS)
def test_equal_scores_leave_option_zero_where_nothing_was_learned(kernels, sharing):
    pool = pool_of(4, score_bound=0.0, sharing=sharing)
    zeros = torch.zeros(100)
    cache = Cache.empty(zeros)
    for _ in range(2):
        assert torch.equal(kernels.select_best_(zeros, number(1.0), cache, pool), pool.table(100)[0][0])
        kernels.select_best_(thetas(100, 1), number(1.0), cache, pool)


@KERNELS
@pytest.mark.parametrize("theta", [torch.nan, torch.inf, -torch.inf, 3e38, -1e30])
@pytest.mark.parametrize("scale", [1.0, torch.nan, torch.inf, 3e38])
def test_numbers_that_left_their_range_still_select_some_option(kernels, theta, scale):
    pool, numbers = pool_of(8, value_bound=5.0), torch.full((40,), theta)
    cache = Cache.empty(numbers)
    weights = kernels.select_best_(numbers, number(scale), cache, pool)
    if scale == 1.0:
        assert torch.equal(weights, fresh(numbers, pool))
    assert torch.equal(weights, pool.values_of(kernels.best_option(numbers, number(scale), pool)))
    assert torch.equal(kernels.select_best_(torch.ones(40), number(1.0), cache, pool), fresh(torch.ones(40), pool))


def fresh(theta, pool, scale=1.0):
    return plain.select_best_(theta, number(scale, theta.dtype), Cache.empty(theta), pool)


# Intervals


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 40), DTYPES, st.sampled_from([1.0, 0.37, 2.0**-60]))
def test_within_its_interval_an_option_stays_the_best(seed, options, dtype, scale):
    pool = pool_of(options, seed=seed, dtype=dtype)
    values, scores = pool.table(60)
    best = plain.best_of(thetas(60, seed, dtype), number(1.0, dtype), values, scores)
    low, high = plain.interval_of(values, scores, best)
    assert (low < high).all()
    scale = number(scale, dtype)
    for end, inwards in ((low, torch.inf), (high, -torch.inf)):
        theta = torch.nextafter(end * scale, torch.full_like(end, inwards))  # the outermost number that passes
        finite = end.isfinite()
        assert torch.equal(plain.best_of(theta, scale, values, scores)[finite], best[finite])
        outside = end - torch.sign(torch.tensor(inwards)) * 1e-3 * end.abs()
        other = plain.best_of(outside * scale, scale, values, scores)
        assert (other != best)[finite & (end != 0)].all()  # no narrower than it has to be


@KERNELS
@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 2**32), st.sampled_from([1, 2, 3, 8, 64, 300]), DTYPES, DTYPES, st.sampled_from(SHARINGS),
    st.lists(st.tuples(st.sampled_from(SCALES), st.floats(0, 3)), min_size=1, max_size=5),
)  # fmt: skip
def test_what_was_selected_before_changes_nothing(kernels, seed, options, dtype, precision, sharing, steps):
    pool = pool_of(options, seed=seed, dtype=precision, sharing=sharing)
    cache = Cache.empty(thetas(300, 0, dtype))
    for step, (scale, size) in enumerate(steps):
        theta, scale = thetas(300, seed + step, dtype, size), number(scale, dtype)
        options_now = plain.best_option(theta, scale, pool)
        assert torch.equal(kernels.select_best_(theta, scale, cache, pool), pool.values_of(options_now).to(dtype))
        assert torch.equal(kernels.best_option(theta, scale, pool), options_now)


@KERNELS
def test_a_slow_walk_looks_at_few_options_and_misses_no_break(kernels):
    pool, theta = pool_of(16), torch.zeros(1000)
    cache = Cache.empty(theta)
    kernels.select_best_(theta, number(1.0), cache, pool)
    outside = []
    for step in range(50):
        theta = theta + 0.02 * thetas(1000, step)
        outside.append(((theta <= cache.low) | (theta >= cache.high)).float().mean().item())
        assert torch.equal(kernels.select_best_(theta, number(1.0), cache, pool), fresh(theta, pool))
    assert 0 < np.mean(outside) < 0.1


def test_more_options_than_are_kept_in_memory():
    pool, theta = pool_of(2500), thetas(100, 0)
    caches = [Cache.empty(theta) for _ in range(2)]
    weights = [
        kernels.select_best_(theta, number(1.0), cache, pool)
        for kernels, cache in zip((plain, cpu), caches, strict=True)
    ]
    assert torch.equal(*weights) and weights[0].unique().numel() > 50
    assert torch.equal(caches[0].low, caches[1].low) and torch.equal(caches[0].high, caches[1].high)
    assert torch.equal(cpu.best_option(theta, number(1.0), pool), plain.best_option(theta, number(1.0), pool))


@KERNELS
def test_the_result_is_new_memory(kernels):
    pool, theta = pool_of(4), thetas(50, 0)
    cache = Cache.empty(theta)
    kernels.select_best_(theta, number(1.0), cache, pool).zero_()
    second = kernels.select_best_(theta, number(1.0), cache, pool)
    assert second.abs().min() > 0 and second.data_ptr() != cache.weight.data_ptr()


# Sampling


@KERNELS
@pytest.mark.parametrize(
    ("options", "scale", "size"), [(2, 1.0, 10.0), (5, 0.0, 10.0), (5, -1.0, 10.0), (12, 30.0, 5.0), (64, 1.0, 3.0)]
)
def test_samples_follow_the_softmax(kernels, options, scale, size):
    pool, connections, draws = pool_of(options), 20, 600
    theta = thetas(connections, options, scale=size)
    values, scores = pool.table(connections)
    keys = torch.randint(-(2**63), 2**63 - 1, (draws,), generator=torch.Generator().manual_seed(options))
    drawn = torch.stack([kernels.select_sample(theta, number(scale), key, pool) for key in keys])
    counts = (drawn[:, None] == values).sum(0).double()
    assert counts.sum() == draws * connections
    expected = draws * (scale * scores.double() + values.double() * theta).softmax(0)
    statistic, cells = ((counts - expected) ** 2 / expected).sum().item(), connections * (options - 1)
    assert stats.chi2.sf(statistic, cells) > 1e-3 and expected.min() > 1


def test_connections_are_sampled_independently():
    pool = pool_of(2, score_bound=0.0)
    values, _ = pool.table(20_000)
    weights = cpu.select_sample(torch.zeros(20_000), number(1.0), torch.tensor(5), pool)
    drawn = (weights == values[1]).double()
    correlation = [torch.corrcoef(torch.stack([drawn[:-lag], drawn[lag:]]))[0, 1].abs() for lag in (1, 16, 64)]
    assert drawn.mean().item() == pytest.approx(0.5, abs=0.02) and max(correlation) < 0.03


@KERNELS
def test_impossible_options_are_not_drawn_and_high_scores_do_not_overflow(kernels):
    pool = pool_of(5, value_bound=1.0, sharing="layer")
    values = pool.shared_values()
    for theta, only in ((1e30, values.max()), (-1e30, values.min())):
        assert (kernels.select_sample(torch.full((3000,), theta), number(1.0), torch.tensor(1), pool) == only).all()


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 2**32), st.sampled_from([1, 2, 3, 8, 64, 300]), DTYPES, DTYPES, st.sampled_from(SHARINGS),
    st.sampled_from(SCALES), st.floats(0, 30),
)  # fmt: skip
def test_compiled_samples_are_those_of_plain_pytorch(seed, options, dtype, precision, sharing, scale, size):
    pool = pool_of(options, seed=seed, dtype=precision, sharing=sharing)
    theta, scale, key = thetas(300, seed, dtype, size), number(scale, dtype), torch.tensor(seed)
    samples = [kernels.select_sample(theta, scale, key, pool) for kernels in (plain, cpu)]
    assert (samples[0] != samples[1]).sum() <= 1  # an exponential may differ in its last place


# Threads, choice of kernels, gradient


@pytest.mark.parametrize("options", [1, 3, 70])
def test_the_number_of_threads_changes_nothing(options):
    pool, theta, key = pool_of(options), thetas(40_000, 0, scale=3.0), torch.tensor(7)
    results = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        try:
            cache = Cache.empty(theta)
            weights = [cpu.select_best_(step * theta, number(1.0), cache, pool) for step in (0, 1, 1.01)]
            sample = cpu.select_sample(theta, number(1.0), key, pool)
            results.append([*weights, sample, cpu.best_option(theta, number(1.0), pool)])
        finally:
            torch.set_num_threads(1)
    assert all(map(torch.equal, *results))


def test_the_size_of_chunks_changes_nothing(monkeypatch):
    pool, theta, key = pool_of(20), thetas(333, 0, scale=3.0), torch.tensor(7)
    expected = fresh(theta, pool), plain.select_sample(theta, number(1.0), key, pool)
    monkeypatch.setattr(plain, "_CHUNK", 41)
    assert torch.equal(fresh(theta, pool), expected[0])
    assert torch.equal(plain.select_sample(theta, number(1.0), key, pool), expected[1])


def test_kernels_are_compiled_where_they_can_be():
    theta = torch.zeros(3)
    assert kernels_for(theta, torch.float32, compiled=True) is cpu
    assert kernels_for(theta.double(), torch.float32, compiled=True) is cpu
    assert kernels_for(theta, torch.float32, compiled=False) is plain


@pytest.mark.slow  # compiles all of them
def test_kernels_work_where_no_folder_can_be_written():
    script = """
import tempfile
def refuse(*arguments, **settings):
    raise OSError("read-only file system")
tempfile.TemporaryFile = refuse
import torch
from slotmachines.slots.kernels import cpu, loops, plain
from slotmachines.slots.kernels.cache import Cache
from slotmachines.slots.random_options import OptionPool
assert not loops._has_cache_folder()
theta, scale, pool = torch.ones(10), torch.tensor(1.0), OptionPool(0, "w", 3, 0.1, 0.1)
assert torch.equal(*(k.best_option(theta, scale, pool) for k in (cpu, plain)))
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_gradient_goes_to_theta_unchanged_and_the_scale_gets_explicit_zero():
    theta = torch.randn(3, 4, requires_grad=True)
    scale = torch.tensor(0.5, requires_grad=True)
    gradient = torch.randn(3, 4)
    StraightThrough.apply(theta, scale, lambda theta, scale: theta * scale).backward(gradient)
    assert torch.equal(theta.grad, gradient)
    assert scale.grad is not None and scale.grad.item() == 0
