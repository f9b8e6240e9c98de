"""Weights that are refused, because they cannot be selected and would silently stay trained; and which stay unasked."""

import copy
from collections import OrderedDict

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune
from torchvision.ops import DeformConv2d

from every_kind import every_kind
from slotmachines import UserError, mask_, selected_options, slotify_
from slotmachines.selectable import weight_selectors


class Table(nn.Module):
    """A layer of somebody's own."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3, 3))


class LazyTable(nn.Module):
    """One that learns its shape from the first batch."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.UninitializedParameter()


def experts(**shapes: tuple[int, ...]) -> nn.Module:
    """A layer of somebody's own that holds parameters of these shapes."""
    layer = Table()
    del layer.weight
    for name, shape in shapes.items():
        layer.register_parameter(name, nn.Parameter(torch.zeros(shape)))
    return layer


OTHERS = {
    "DeformConv2d": (lambda: DeformConv2d(3, 3, 2), "weight"),
    "a weight": (Table, "weight"),
    "W": (lambda: experts(W=(3, 3)), "W"),
    "kernel": (lambda: experts(kernel=(3, 3, 2, 2)), "kernel"),
    "attention": (lambda: experts(qkv=(9, 3), proj_weight=(3, 3)), "qkv"),
    "one gate": (lambda: experts(w1=(3, 6), w2=(6, 3)), "w1"),
    "Mixtral's experts": (lambda: experts(gate_up_proj=(4, 6, 3), down_proj=(4, 3, 3)), "gate_up_proj"),
    "a lazy layer": (lambda: nn.Sequential(OrderedDict(kernel=LazyTable())), "kernel.kernel"),
}


@pytest.mark.parametrize("case", OTHERS)
def test_what_may_hold_connections_is_refused_or_left_out_whatever_its_name(case):
    build, tensor = OTHERS[case]
    network = nn.ModuleDict({"first": nn.Linear(3, 3), "other": build()})
    message = rf"^other\.{tensor}: weights of \w+ cannot be selected, and would be trained; leave the layer out"
    with pytest.raises(UserError, match=message):
        slotify_(network, options=2)
    with pytest.raises(UserError, match=message):
        mask_(network, "edge_popup")
    assert not list(weight_selectors(network))
    before = {name: id(parameter) for name, parameter in network["other"].named_parameters()}
    slotify_(network, options=2, filter_fn=lambda _, name: not name.startswith("other"))
    assert list(selected_options(network)) == ["first.weight"]
    assert {name: id(parameter) for name, parameter in network["other"].named_parameters()} == before


@pytest.mark.parametrize("normalise", [parametrizations.weight_norm, parametrizations.spectral_norm])
def test_a_parametrized_layer_of_another_kind_is_refused_without_being_computed(normalise):
    network = nn.Sequential(nn.Linear(3, 3), normalise(Table()))
    before = copy.deepcopy(network.state_dict())
    with pytest.raises(UserError, match=r"^1\.weight: weights of Table cannot be selected"):
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


def test_twice():
    network = slotify_(every_kind(), options=2)
    with pytest.raises(UserError, match=r"^convolution\.weight is selected already, by SlotMachine; call bake_ first"):
        slotify_(network, options=2)
    attention = slotify_(nn.MultiheadAttention(4, 2), options=2)
    with pytest.raises(UserError, match=r"^in_proj_weight is selected already"):
        slotify_(attention, options=2)
