"""Selections on a processor share memory from step to step: nobody who holds or changes a weight may notice."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from slotmachines import bake_, slotify_

pytest.importorskip("numba")


def layer_of(selection="greedy", seed=1, dtype=torch.float32):
    """A layer of more than one block, and a part of one."""
    return slotify_(nn.Linear(30, 9, bias=False, dtype=dtype), options=8, selection=selection, seed=seed)


def trained_of(layer):
    return layer.parametrizations.weight.original


def move_(layer, seed):
    torch.manual_seed(seed)
    with torch.no_grad():
        trained_of(layer).normal_()


def expected(layer):
    """The selection of a machine that has done nothing before."""
    fresh = layer_of(dtype=trained_of(layer).dtype)
    fresh.load_state_dict(layer.state_dict())
    return fresh.weight.detach().clone()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_memory_is_used_again(dtype):
    layer = layer_of(dtype=dtype)
    places = set()
    for step in range(4):
        move_(layer, step)
        weight = layer.weight
        assert torch.equal(weight, expected(layer))
        places.add(weight.data_ptr())
        del weight
    assert len(places) == 1


@pytest.mark.parametrize("selection", ["greedy", "probabilistic"])
@pytest.mark.parametrize("hold", [lambda w: w, lambda w: w.data, lambda w: w.detach().numpy(), lambda w: w[2:]])
def test_what_is_held_stays(selection, hold):
    layer = layer_of(selection)
    held = hold(layer.weight)
    before = torch.as_tensor(held).detach().clone()
    for step in range(3):
        move_(layer, step)
        layer.weight  # noqa: B018
    assert torch.equal(torch.as_tensor(held), before)


@pytest.mark.parametrize("selection", ["greedy", "probabilistic"])
def test_two_forward_passes_before_one_backward_pass(selection):
    layer = layer_of(selection)
    inputs = torch.randn(5, 30, requires_grad=True)
    outputs, weights = [], []
    for step in range(2):
        move_(layer, step)
        torch.manual_seed(step)
        outputs.append(layer(inputs).sum())
        torch.manual_seed(step)
        weights.append(layer.weight.detach().clone())
    sum(outputs).backward()
    torch.testing.assert_close(inputs.grad, sum(weights).sum(0).expand(5, 30))


@pytest.mark.parametrize(
    "change",
    [
        lambda weight: weight.data.zero_(),
        lambda weight: weight.data[3].neg_(),
        lambda weight: weight.detach().numpy().sort(0),
        lambda weight: weight.data.mul_(2),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_weight_that_is_changed_is_selected_again(change, dtype):
    layer = layer_of(dtype=dtype)
    for step in range(3):
        move_(layer, step % 2)
        change(layer.weight)
        assert torch.equal(layer.weight, expected(layer))
    trained = expected(layer)
    change(layer.weight)
    assert torch.equal(bake_(layer).weight, trained)


def test_a_copy_has_its_own():
    layer = layer_of()
    layer.weight  # noqa: B018
    other = copy.deepcopy(layer)
    move_(other, 1)
    weight = layer.weight
    assert torch.equal(other.weight, expected(other))
    assert torch.equal(weight, expected(layer))
    assert weight.data_ptr() != other.weight.data_ptr()


def test_inference_before_training():
    layer = layer_of()
    with torch.inference_mode():
        layer(torch.randn(2, 30))
    layer(torch.randn(2, 30)).sum().backward()
    assert trained_of(layer).grad.any()


def test_a_hook_on_what_selects_is_called():
    layer, calls = layer_of(), []
    selectors = layer.parametrizations.weight
    for module in (selectors, selectors[0]):
        module.register_forward_hook(lambda *arguments: calls.append(arguments[0]))
    layer.weight  # noqa: B018
    assert calls == [selectors[0], selectors]


def test_a_parametrization_on_top_is_applied():
    layer = layer_of()
    selected = layer.weight.detach().clone()

    class Half(nn.Module):
        def forward(self, weight):
            return weight / 2

    parametrize.register_parametrization(layer, "weight", Half(), unsafe=True)
    assert torch.equal(layer.weight, selected / 2)


def test_a_symbolic_trace_keeps_selecting():
    network = nn.Sequential(layer_of())
    traced = torch.fx.symbolic_trace(network)
    move_(network[0], 1)
    inputs = torch.randn(2, 30)
    assert torch.equal(traced(inputs), network(inputs))
