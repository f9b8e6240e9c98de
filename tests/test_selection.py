"""The two rules, and their straight-through gradient."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from slotmachines import selection
from slotmachines.selection import StraightThrough, select_best, select_sample

RULES = [select_best, select_sample]


def draw(seed: int, options: int, connections: int, grid: int | None = None) -> tuple[torch.Tensor, ...]:
    """Theta, values and scores in float64; on a coarse grid many scores are equal."""
    generator = torch.Generator().manual_seed(seed)
    theta, values, scores = (
        torch.rand(shape, generator=generator, dtype=torch.float64) * 2 - 1
        for shape in [(connections,), (options, connections), (options, connections)]
    )
    return (
        (theta, values, scores) if grid is None else tuple((x * grid).round() / grid for x in (theta, values, scores))
    )


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32),
    st.integers(1, 64),
    st.sampled_from([1.0, 0.5, 0.0, -0.5, -2.0]),
    st.sampled_from([None, 1, 2, 4]),
)
def test_the_highest_score_wins_and_of_equals_the_lowest_option(seed, options, scale, grid):
    theta, values, scores = draw(seed, options, 200, grid)
    score = scale * scores + values * theta
    # Computed exactly on the grid. Spelled out, not argmax: the first option that is as high as the highest.
    first = [next(k for k in range(options) if column[k] == max(column)) for column in score.T.tolist()]
    scale = torch.tensor(scale, dtype=torch.float64)
    numbers = torch.arange(options)
    assert select_best(theta, scale, values, scores, numbers).tolist() == first
    weights = select_best(theta, scale, values, scores, values)
    assert torch.equal(weights, values.gather(0, torch.tensor(first)[None])[0])


@pytest.mark.parametrize("scale", [1e-300, 5e-324, -1e-300, 0.0])
def test_a_vanishing_score_scale_leaves_the_extreme_options(scale):
    theta, values, scores = draw(0, 8, 500)
    options = select_best(theta, torch.tensor(scale, dtype=torch.float64), values, scores, torch.arange(8))
    assert torch.equal(options, torch.where(theta > 0, values.argmax(0), values.argmin(0)))


def test_only_ties_leave_option_zero_where_nothing_was_learned():
    theta, scale = torch.zeros(3), torch.zeros(())
    values, scores = torch.rand(4, 3), torch.rand(4, 3)
    assert select_best(theta, scale, values, scores, torch.arange(4)).tolist() == [0, 0, 0]


def test_the_result_is_new_memory():
    theta, values, scores = draw(0, 1, 5)
    weights = select_best(theta, torch.tensor(1.0, dtype=torch.float64), values, scores, values)
    weights.zero_()
    assert values.abs().min() > 0


@pytest.mark.parametrize("scale", [1.0, 0.0, -1.0])
@pytest.mark.parametrize("options", [2, 5, 64])
def test_samples_follow_the_softmax(options, scale):
    torch.manual_seed(options)
    count = 60_000
    theta, values, scores = draw(options, options, 1)
    logits = scale * scores + 3 * values * theta
    columns = [tensor.expand(-1, count).contiguous() for tensor in (3 * values, scores)]
    scale = torch.tensor(scale, dtype=torch.float64)
    drawn = select_sample(theta.expand(count).contiguous(), scale, *columns, torch.arange(options))
    expected = logits.softmax(0)[:, 0] * count
    assert stats.chisquare(drawn.bincount(minlength=options).numpy(), expected.numpy()).pvalue > 1e-3


def test_connections_are_sampled_independently(monkeypatch):
    monkeypatch.setattr(selection, "_CHUNK", 7)  # neighbours within and across chunks
    torch.manual_seed(0)
    zeros = torch.zeros(2, 20_000)
    drawn = select_sample(zeros[0], torch.ones(()), zeros, zeros, torch.arange(2)).double()
    correlation = [torch.corrcoef(torch.stack([drawn[:-lag], drawn[lag:]]))[0, 1].abs() for lag in (1, 7)]
    assert drawn.mean().item() == pytest.approx(0.5, abs=0.02) and max(correlation) < 0.03


def test_a_sample_is_drawn_anew_and_repeats_with_the_generator():
    theta, values, scores = draw(1, 8, 1000)
    scale = torch.tensor(1.0, dtype=torch.float64)
    torch.manual_seed(3)
    first, second = (select_sample(theta, scale, values, scores, values) for _ in range(2))
    torch.manual_seed(3)
    assert torch.equal(first, select_sample(theta, scale, values, scores, values))
    assert (first != second).float().mean() > 0.5


def test_high_scores_do_not_overflow_and_impossible_options_are_not_drawn():
    values = torch.tensor([[-1.0], [1.0], [1.0], [-1.0], [0.5]]).expand(5, 10_000)
    theta = torch.full((10_000,), 1e30)
    drawn = select_sample(theta, torch.ones(()), values, torch.zeros(5, 10_000), torch.arange(5))
    counts = drawn.bincount(minlength=5)
    assert counts[[0, 3, 4]].eq(0).all() and counts[1].item() == pytest.approx(5000, abs=250)


@pytest.mark.parametrize("rule", RULES)
def test_one_option_is_always_used(rule):
    theta, values, scores = draw(2, 1, 100)
    scale = torch.tensor(1.0, dtype=torch.float64)
    assert torch.equal(rule(theta, scale, values, scores, values), values[0])
    assert rule(theta, scale, values, scores, torch.arange(1)).eq(0).all()


@pytest.mark.parametrize("rule", RULES)
def test_the_gradient_goes_to_theta_unchanged_and_the_scale_gets_explicit_zero(rule):
    theta, values, scores = draw(4, 6, 12)
    theta = theta.view(3, 4).requires_grad_()
    scale = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    gradient = torch.randn(3, 4, dtype=torch.float64)
    StraightThrough.apply(theta, scale, values, scores, rule).backward(gradient)
    assert torch.equal(theta.grad, gradient)
    assert scale.grad is not None and scale.grad.item() == 0
