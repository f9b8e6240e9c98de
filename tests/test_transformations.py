"""A slot machine under what PyTorch does to modules: conversion, autocast, layouts and functions."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad
from torch.nn import functional

from conftest import BOTH, images, scramble, theta_of
from slotmachines import bake_, selected_options, slotify_
from slotmachines.slots.convert import slot_machines
from small_training import LABELS, SETTINGS, assert_identical, optimiser_of, train, trained

pytestmark = pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "plain"])


@BOTH
def test_double_and_back_in_the_middle_of_training(selection, compiled):
    network, optimiser = trained(selection, compiled)
    network.double()
    outputs = network.eval()(images(dtype=torch.float64))
    assert outputs.dtype == torch.float64
    network.train().float()
    train(network, optimiser, range(8, 16))
    assert_identical(network, trained(selection, compiled, 16)[0])


@BOTH
def test_autocast(selection, compiled):
    """What is selected and its gradient stay in the precision of theta; the layers compute in bfloat16."""
    network, _ = trained(selection, compiled)
    weights = []
    for enabled in (True, False):
        torch.manual_seed(0)
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            weights.append([one.layer.weight for one in slot_machines(network)])
    assert all(weight.dtype == torch.float32 for weight in weights[0])
    assert all(torch.equal(one, other) for one, other in zip(*weights, strict=True))

    network.eval()
    ordinary = bake_(copy.deepcopy(network))
    for net in (network, ordinary):
        net.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            outputs = net(images())
        assert outputs.dtype == torch.bfloat16
        functional.cross_entropy(outputs.float(), LABELS).backward()
    for name in (0, 4, 6):
        gradient = theta_of(network[name]).grad
        assert gradient.dtype == torch.float32 and torch.equal(gradient, ordinary[name].weight.grad)
        assert network[name].parametrizations.weight[0].score_scale.grad == 0


@BOTH
@pytest.mark.parametrize("first", ["layout", "slotify_"])
def test_channels_last(selection, first, compiled):
    """The options belong to connections, not to places in memory."""

    def build(channels_last: bool) -> nn.Sequential:
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3), nn.Flatten()).double()
        if channels_last and first == "layout":
            network.to(memory_format=torch.channels_last)
        slotify_(network, selection=selection, compiled=compiled, **SETTINGS)
        return network.to(memory_format=torch.channels_last) if channels_last else network

    networks = build(False), build(True)
    inputs = torch.rand(5, 3, 6, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    optimisers = [optimiser_of(network) for network in networks]
    start = selected_options(networks[0])["2.weight"]
    for number in range(10):
        weights = []
        for network, optimiser in zip(networks, optimisers, strict=True):
            torch.manual_seed(number)
            weights.append(network[2].weight)
            optimiser.zero_grad()
            functional.cross_entropy(network(inputs), LABELS).backward()
            optimiser.step()
        assert torch.equal(*weights)
        torch.testing.assert_close(theta_of(networks[0][2]), theta_of(networks[1][2]))
    assert theta_of(networks[1][2]).is_contiguous(memory_format=torch.channels_last)
    assert (selected_options(networks[1])["2.weight"] != start).any()


def test_functional_call_selects_for_the_theta_that_it_is_given(compiled):
    network = trained("greedy", compiled)[0].eval()
    other = scramble(copy.deepcopy(network), seed=4)
    before = network(images())
    state = {name: value.detach() for name, value in other.named_parameters()}
    assert torch.equal(functional_call(network, state, images()), other(images()))
    assert torch.equal(network(images()), before) and not torch.equal(other(images()), before)


def test_the_gradient_of_a_function_of_theta(compiled):
    network = trained("greedy", compiled)[0].eval()

    def loss(state: dict[str, Tensor]) -> Tensor:
        return functional.cross_entropy(functional_call(network, state, images()), LABELS)

    gradients = grad(loss)({name: value.detach() for name, value in network.named_parameters()})
    network.zero_grad()
    functional.cross_entropy(network(images()), LABELS).backward()
    assert all(torch.equal(gradients[name], parameter.grad) for name, parameter in network.named_parameters())
    assert gradients["4.parametrizations.weight.original"].any()


def test_a_penalty_on_the_gradient_is_differentiated(compiled):
    network = trained("greedy", compiled)[0].eval()
    gradients = []
    for net in (network, bake_(copy.deepcopy(network))):
        net.zero_grad()
        inputs = images().requires_grad_()
        (slope,) = torch.autograd.grad(functional.cross_entropy(net(inputs), LABELS), inputs, create_graph=True)
        slope.square().sum().backward()
        gradients.append([(theta_of(net[n]) if net is network else net[n].weight).grad for n in (0, 4, 6)])
    torch.testing.assert_close(*gradients)
    assert all(gradient.any() for gradient in gradients[0])
