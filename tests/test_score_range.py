"""A wider range of initial scores is a lower learning rate; what many options do to small steps (docs/method.md)."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from conftest import images, theta_of
from slotmachines import slotify_
from slotmachines.slots.convert import slot_machines


def train(network: nn.Module, learning_rate: float, momentum: float, steps: int) -> None:
    network.train()
    optimiser = torch.optim.SGD(network.parameters(), lr=learning_rate, momentum=momentum)
    for number in range(steps):
        optimiser.zero_grad()
        functional.cross_entropy(network(images(seed=number)), torch.arange(5) % 3).backward()
        optimiser.step()


@settings(max_examples=25, deadline=None)
@given(
    times=st.integers(-4, 10).map(lambda power: 2.0**power),
    options=st.sampled_from([2, 8, 64]),
    momentum=st.sampled_from([0.0, 0.9]),
    seed=st.integers(0, 1000),
)
def test_scores_that_spread_n_times_as_far_are_a_learning_rate_n_times_lower(times, options, momentum, seed):
    layers = nn.Sequential(nn.Flatten(), nn.Linear(36, 16, bias=False), nn.ReLU(), nn.Linear(16, 3, bias=False))
    wide, slow = (
        slotify_(copy.deepcopy(layers), options=options, seed=seed, score_range=score_range)
        for score_range in (times, 1.0)
    )
    start = [one.trained.detach().clone() for one in slot_machines(slow)]
    train(wide, 0.5, momentum, 8)
    train(slow, 0.5 / times, momentum, 8)
    for before, one, other in zip(start, slot_machines(wide), slot_machines(slow), strict=True):
        assert torch.equal(one.layer.weight, other.layer.weight)
        # A power of two: nothing is rounded.
        assert torch.equal(one.trained, times * other.trained)
        assert not torch.equal(other.trained, before)


@pytest.mark.parametrize(("options", "score_range"), [(64, 1.0), (256, 1.0), (256, 4.0), (64, 0.25)])
def test_near_zero_the_mean_of_the_selected_values_rises_like_the_number_of_options(options, score_range):
    bound, connections = 0.5, 200_000
    layer = slotify_(nn.Linear(connections, 1, bias=False), options=options, value_bound=bound, score_range=score_range)
    theta = 0.1 * score_range / options
    means = []
    for sign in (1, -1):
        with torch.no_grad():
            theta_of(layer).fill_(sign * theta)
        means.append(layer.weight.double().mean().item())
    rise = (means[0] - means[1]) / 2
    assert rise == pytest.approx(options * bound**2 * theta / (3 * score_range * bound), rel=0.05)
