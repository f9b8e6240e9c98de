"""A small network of every kind of layer, and short trainings of it that can be compared bit for bit."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import SGD

from conftest import images
from slotmachines import bake_, selected_options, slotify_

SETTINGS = {"options": 8, "seed": 3}
LABELS = torch.tensor([0, 1, 2, 0, 1])


def small_network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Tanh(), nn.Flatten(), nn.Linear(64, 8), nn.Tanh(), nn.Linear(8, 3)
    )


def optimiser_of(network: nn.Module) -> SGD:
    return SGD(network.parameters(), lr=0.3, momentum=0.9, weight_decay=1e-3)


def train(network: nn.Module, optimiser: SGD, steps: range, before_step: Callable[[], object] = lambda: None) -> None:
    """Step number n trains on the images and draws the samples of that number."""
    for number in steps:
        before_step()
        torch.manual_seed(number)
        optimiser.zero_grad()
        functional.cross_entropy(network(images(seed=number)), LABELS).backward()
        optimiser.step()


def trained(selection: str, compiled: bool, steps: int = 8) -> tuple[nn.Sequential, SGD]:
    network = slotify_(small_network(), selection=selection, compiled=compiled, **SETTINGS)
    optimiser = optimiser_of(network)
    train(network, optimiser, range(steps))
    return network, optimiser


def assert_identical(one: nn.Module, other: nn.Module) -> None:
    """The same state, selections, and outputs, bit for bit."""
    states = one.state_dict(), other.state_dict()
    assert states[0].keys() == states[1].keys()
    assert [name for name in states[0] if not torch.equal(states[0][name], states[1][name])] == []
    options = selected_options(one), selected_options(other)
    assert all(torch.equal(options[0][name], options[1][name]) for name in options[0])
    outputs = []
    for network in (one, other):
        mode = network.training
        with torch.no_grad():
            outputs.append(network.eval()(images(seed=99)))
        network.train(mode)
    assert torch.equal(*outputs)


def outputs_of_best(network: nn.Module, inputs: Tensor) -> Tensor:
    """Of an ordinary network that has the best options as its weights."""
    return bake_(copy.deepcopy(network)).eval()(inputs)
