"""Layers beside Linear and Conv, each with its own shape of weights, and those that a user registers."""

import copy
import math
import pickle
import runpy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from conftest import BOTH
from slotmachines import bake_, mask_, option_table, register_layer, selected_options, slotify_
from slotmachines.selectable import selectable
from slotmachines.slots.dense import dense_scores, dense_slotify_

EXAMPLE = Path(__file__).parents[1] / "docs/examples/experts.py"


class Conv1D(nn.Module):
    """The layer of GPT-2 in the package transformers, whose weight is (in, out)."""

    __module__, __qualname__ = "transformers.pytorch_utils", "Conv1D"

    def __init__(self, outputs: int, inputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs @ self.weight + self.bias


class Cells(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.gru = nn.LSTMCell(4, 6), nn.GRUCell(6, 5)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden, cell = self.lstm(inputs[0])
        hidden, _ = self.lstm(inputs[0], (hidden, cell))
        return self.gru(hidden, self.gru(hidden))


class First(nn.Module):
    """Of a recurrent layer, the outputs."""

    def __init__(self, layer: nn.RNNBase) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, inputs: Tensor) -> Tensor:
        return self.layer(inputs)[0]


class Pair(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Bilinear(4, 4, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.layer(inputs, inputs.flip(-1))


# What is built, the shape of its inputs, and the fans of each weight.
KINDS = {
    "ConvTranspose1d": (lambda: nn.ConvTranspose1d(4, 6, 3, groups=2), (2, 4, 5), {"weight": (2 * 3, 6 * 3)}),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(4, 6, (3, 2)), (2, 4, 5, 5), {"weight": (4 * 6, 6 * 6)}),
    "ConvTranspose3d": (lambda: nn.ConvTranspose3d(4, 2, 2), (2, 4, 3, 3, 3), {"weight": (4 * 8, 2 * 8)}),
    "RNN": (
        lambda: First(nn.RNN(4, 6)),
        (5, 2, 4),
        {"layer.weight_ih_l0": (4, 6), "layer.weight_hh_l0": (6, 6)},
    ),
    "LSTM": (
        lambda: First(nn.LSTM(4, 6, num_layers=2, batch_first=True)),
        (2, 5, 4),
        {
            "layer.weight_ih_l0": (4, 24), "layer.weight_hh_l0": (6, 24), "layer.weight_ih_l1": (6, 24),
            "layer.weight_hh_l1": (6, 24),
        },
    ),
    "GRU": (
        lambda: First(nn.GRU(4, 6, bidirectional=True, bias=False)),
        (5, 2, 4),
        {
            "layer.weight_ih_l0": (4, 18), "layer.weight_hh_l0": (6, 18), "layer.weight_ih_l0_reverse": (4, 18),
            "layer.weight_hh_l0_reverse": (6, 18),
        },
    ),
    "cells": (
        Cells,
        (1, 3, 4),
        {"lstm.weight_ih": (4, 24), "lstm.weight_hh": (6, 24), "gru.weight_ih": (6, 15), "gru.weight_hh": (5, 15)},
    ),
    "Bilinear": (Pair, (5, 4), {"layer.weight": (16, 3)}),
    "Conv1D": (lambda: Conv1D(6, 4), (5, 4), {"weight": (4, 6)}),
}  # fmt: skip


def built(kind: str) -> nn.Module:
    torch.manual_seed(0)
    return KINDS[kind][0]().double()


def batch(kind: str, seed: int = 0) -> Tensor:
    return torch.randn(KINDS[kind][1], generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def trained(network: nn.Module, kind: str) -> nn.Module:
    optimiser = torch.optim.SGD(network.parameters(), lr=2.0, momentum=0.9, weight_decay=1e-3)
    for step in range(4):
        torch.manual_seed(step)
        optimiser.zero_grad()
        (network(batch(kind, step)) - 1).square().mean().backward()
        optimiser.step()
    return network


@pytest.mark.parametrize("kind", KINDS)
def test_fans_and_the_bound_of_the_values(kind):
    expected = KINDS[kind][2]
    assert {place.name: place.fans for place in selectable(built(kind))} == expected
    for name, (values, _) in option_table(slotify_(built(kind), options=64)).items():
        bound = math.sqrt(6 / sum(expected[name]))
        assert 0.9 * bound < values.abs().max() <= bound, name


@pytest.mark.parametrize("kind", KINDS)
def test_training_selects_as_k_trained_scores_do(kind):
    network, dense = (trained(make(built(kind), options=6, seed=2), kind) for make in (slotify_, dense_slotify_))
    start, scores = selected_options(slotify_(built(kind), options=6, seed=2)), dense_scores(dense)
    for name, options in selected_options(network).items():
        assert torch.equal(options, scores[name].argmax(-1)) and not torch.equal(options, start[name]), name


@BOTH
@pytest.mark.parametrize("kind", KINDS)
def test_baked_it_computes_the_same_and_is_ordinary_again(kind, selection):
    network = trained(slotify_(built(kind), options=8, selection=selection), kind).eval()
    expected = network(batch(kind)).detach()
    copied = copy.deepcopy(network)  # after a forward pass
    assert torch.equal(copied.float().double()(batch(kind)).detach(), network.float().double()(batch(kind)).detach())
    network, expected = bake_(network), network(batch(kind)).detach()
    assert torch.equal(network(batch(kind)), expected)
    assert network.state_dict().keys() == built(kind).state_dict().keys()
    if kind != "Conv1D":  # whose class pretends to be of another package
        again = pickle.loads(pickle.dumps(network))
        assert torch.equal(again(batch(kind)), expected) and b"slotmachines" not in pickle.dumps(network)


@pytest.mark.parametrize("kind", KINDS)
def test_masks_keep_the_same_weights(kind):
    network = trained(mask_(built(kind), "edge_popup"), kind)
    assert list(selected_options(network)) == list(KINDS[kind][2])
    expected = network(batch(kind)).detach()
    assert torch.equal(bake_(network)(batch(kind)), expected)


def test_bags_of_embeddings_stay_ordinary_unless_asked_for():
    network = nn.ModuleDict({"words": nn.EmbeddingBag(9, 5, mode="sum"), "last": nn.Linear(5, 2)})
    assert list(selected_options(slotify_(copy.deepcopy(network), options=2))) == ["last.weight"]
    slotify_(network, options=32, embeddings=True)
    assert list(selected_options(network)) == ["words.weight", "last.weight"]
    rows = network["words"].weight.detach()
    assert torch.equal(network["words"](torch.tensor([[1, 2, 2]])), rows[1:2] + 2 * rows[2:3])
    values, _ = option_table(network)["words.weight"]
    assert 0.95 < values.abs().max() <= 1  # sqrt(6 / (1 + 5))


def test_a_lazy_layer_has_to_run_once():
    network = nn.Sequential(nn.LazyConvTranspose2d(3, 2))
    with pytest.raises(ValueError, match=r"^0\.weight has no shape yet; run the network once"):
        slotify_(network, options=2)
    network(torch.zeros(1, 2, 4, 4))
    assert list(selected_options(slotify_(network, options=2))) == ["0.weight"]


# Layers that a user registers


def test_the_layer_that_the_documentation_adds():
    names = runpy.run_path(str(EXAMPLE))
    network = names["network"]
    assert list(selected_options(network)) == ["first", "second"]
    assert {name: tuple(options.shape) for name, options in selected_options(network).items()} == {
        "first": (4, 8, 16),
        "second": (4, 16, 8),
    }
    values, _ = option_table(network)["first"]
    assert 0.95 * (6 / 24) ** 0.5 < values.abs().max() <= (6 / 24) ** 0.5
    inputs = torch.randn(5, 8)
    network(inputs).square().sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    outputs = network.eval()(inputs)
    assert torch.equal(bake_(network)(inputs), outputs)


class Gate(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w, self.table = nn.Parameter(torch.ones(3, 2)), nn.Parameter(torch.ones(4, 4))


class OtherGate(Gate):
    """Registered by its name."""


def test_a_tensor_can_be_said_to_stay_ordinary_and_subclasses_are_included():
    register_layer(Gate, lambda layer: {"w": (2, 3), "table": None})
    assert list(selected_options(slotify_(Gate(), options=2))) == ["w"]
    assert list(selected_options(slotify_(OtherGate(), options=2))) == ["w"]
    register_layer(f"{OtherGate.__module__}.OtherGate", lambda layer: {"w": None, "table": (4, 4)})
    network = slotify_(OtherGate(), options=2)
    assert list(selected_options(network)) == ["table"] and isinstance(network.w, nn.Parameter)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"v": (2, 3)}, "the handler of Wrong names 'v', which that layer does not hold"),
        ({"w": (2, 3, 4)}, r"the handler of Wrong must give 'w' \(fan_in, fan_out\), not \(2, 3, 4\)"),
        ({"w": (2, 3)}, "table: weights of Wrong cannot be selected"),
    ],
)
def test_a_handler_that_is_wrong(tensors, message):
    kind = type("Wrong", (Gate,), {})
    register_layer(kind, lambda layer: tensors)
    with pytest.raises(ValueError, match=message):
        slotify_(kind(), options=2)


def test_what_cannot_be_registered():
    with pytest.raises(TypeError, match=r"register_layer takes a class of torch\.nn\.Module or its full name, not 3"):
        register_layer(3, lambda layer: {})
    with pytest.raises(TypeError, match=r"the handler of a layer is a function of the layer, not \{\}"):
        register_layer(Gate, {})
