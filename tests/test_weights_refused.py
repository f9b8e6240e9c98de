"""Weights that are refused, because they cannot be selected and would silently stay trained; and which stay unasked."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune
from torchvision.ops import DeformConv2d

from every_kind import every_kind
from slotmachines import selected_options, slotify_
from slotmachines.selectable import weight_selectors


class Table(nn.Module):
    """A layer of somebody's own."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3, 3))


OTHERS = {
    "RNN": (lambda: nn.RNN(3, 3), "weight_ih_l0"),
    "LSTM": (lambda: nn.LSTM(3, 3, proj_size=2), "weight_ih_l0"),
    "GRU": (lambda: nn.GRU(3, 3), "weight_ih_l0"),
    "RNNCell": (lambda: nn.RNNCell(3, 3), "weight_ih"),
    "LSTMCell": (lambda: nn.LSTMCell(3, 3), "weight_ih"),
    "GRUCell": (lambda: nn.GRUCell(3, 3), "weight_ih"),
    "ConvTranspose1d": (lambda: nn.ConvTranspose1d(3, 3, 2), "weight"),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(3, 3, 2), "weight"),
    "ConvTranspose3d": (lambda: nn.ConvTranspose3d(3, 3, 2), "weight"),
    "LazyConvTranspose2d": (lambda: nn.LazyConvTranspose2d(3, 2), "weight"),
    "Bilinear": (lambda: nn.Bilinear(3, 3, 3), "weight"),
    "EmbeddingBag": (lambda: nn.EmbeddingBag(3, 3), "weight"),
    "DeformConv2d": (lambda: DeformConv2d(3, 3, 2), "weight"),
    "Table": (Table, "weight"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_layers_of_another_kind_are_refused_or_left_out(kind):
    build, tensor = OTHERS[kind]
    network = nn.ModuleDict({"first": nn.Linear(3, 3), "other": build()})
    message = rf"^other\.{tensor}: weights of {kind} cannot be selected, and would be trained; leave the layer out"
    with pytest.raises(ValueError, match=message):
        slotify_(network, options=2)
    assert not list(weight_selectors(network))
    before = {name: id(parameter) for name, parameter in network["other"].named_parameters()}
    slotify_(network, options=2, filter_fn=lambda _, name: name != "other")
    assert list(selected_options(network)) == ["first.weight"]
    assert {name: id(parameter) for name, parameter in network["other"].named_parameters()} == before


@pytest.mark.parametrize("normalise", [parametrizations.weight_norm, parametrizations.spectral_norm])
def test_a_parametrized_layer_of_another_kind_is_refused_without_being_computed(normalise):
    network = nn.Sequential(nn.Linear(3, 3), normalise(nn.ConvTranspose1d(3, 3, 2)))
    before = copy.deepcopy(network.state_dict())
    with pytest.raises(ValueError, match=r"^1\.weight: weights of ConvTranspose1d cannot be selected"):
        slotify_(network, options=2)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_normalisation_and_activations_stay_and_nobody_asks_about_them():
    layers = [
        nn.BatchNorm2d(2),
        nn.GroupNorm(1, 2),
        nn.LayerNorm((2, 3)),
        nn.RMSNorm((2, 3)),
        nn.LazyBatchNorm1d(),
        nn.PReLU(4),
    ]
    asked = []
    network = nn.Sequential(*layers, nn.Linear(3, 3))
    slotify_(network, options=2, filter_fn=lambda _, name: asked.append(name) or True)
    assert asked == ["6"] and not any(parametrize.is_parametrized(layer) for layer in layers)


def weight_norm(layer: nn.Module) -> None:
    with pytest.warns(FutureWarning, match="weight_norm"):
        nn.utils.weight_norm(layer)


@pytest.mark.parametrize("compute", [weight_norm, lambda layer: prune.random_unstructured(layer, "weight", 0.5)])
def test_a_weight_that_is_computed_is_refused(compute):
    network = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    compute(network[1])
    with pytest.raises(
        ValueError, match=r"^1\.weight is computed from other parameters, .*; make it a parameter again"
    ):
        slotify_(network, options=2)
    assert list(selected_options(slotify_(network, options=2, filter_fn=lambda _, name: name == "0"))) == ["0.weight"]


@pytest.mark.parametrize("tie", [
    lambda network: setattr(network.across.out_proj, "weight", network.attention.out_proj.weight),
    lambda network: setattr(network.across, "q_proj_weight", network.attention.out_proj.weight),
    lambda network: setattr(network.across, "v_proj_weight", network.across.k_proj_weight),
    lambda network: setattr(network.across, "out_proj", network.attention.out_proj),
])  # fmt: skip
def test_tied_projections(tie):
    network = every_kind()
    tie(network)
    with pytest.raises(ValueError, match=r"^\S+weight and across\.\S+weight are one tied weight; untie it, or leave"):
        slotify_(network, options=2)


def test_an_embedding_tied_to_the_last_layer():
    network = nn.Sequential(nn.Embedding(4, 4), nn.Linear(4, 4))
    network[1].weight = network[0].weight
    for embeddings in (False, True):
        with pytest.raises(ValueError, match=r"^0\.weight and 1\.weight are one tied weight"):
            slotify_(network, options=2, embeddings=embeddings)


def test_twice():
    network = slotify_(every_kind(), options=2)
    with pytest.raises(ValueError, match=r"^convolution\.weight is parametrized already"):
        slotify_(network, options=2)
    attention = slotify_(nn.MultiheadAttention(4, 2), options=2)
    with pytest.raises(ValueError, match=r"^in_proj_weight is parametrized already"):
        slotify_(attention, options=2)
