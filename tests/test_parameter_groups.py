"""Two groups of parameters for the optimiser: what chooses weights, and the rest."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from conftest import images, small_network
from slotmachines import UserError, bake_, mask_, parameter_groups, slotify_
from slotmachines.slots.dense import dense_slotify_


def names(module: nn.Module) -> list[list[str]]:
    """The names of the parameters in each group."""
    known = {id(parameter): name for name, parameter in module.named_parameters()}
    return [[known[id(parameter)] for parameter in group["params"]] for group in parameter_groups(module)]


@pytest.mark.parametrize(
    ("convert", "parts"),
    [
        (lambda network: slotify_(network, options=4), ("original", "0.score_scale")),
        (lambda network: slotify_(network, options=4, selection="probabilistic"), ("original", "0.score_scale")),
        (lambda network: dense_slotify_(network, options=4), ("original", "0.scores")),
        (lambda network: mask_(network, "edge_popup"), ("original",)),
        (lambda network: mask_(network, "lottery_ticket"), ("original",)),
    ],
)
@pytest.mark.parametrize("wrap", [lambda network: network, nn.DataParallel], ids=["plain", "wrapped"])
def test_each_parameter_is_in_one_of_the_groups(convert, parts, wrap):
    network = small_network()
    parametrized, ordinary = convert(network), ["1.weight", "1.bias", "0.bias", "4.bias", "6.bias"]
    module = wrap(parametrized)
    prefix = "module." if module is not parametrized else ""
    selected, others = names(module)
    assert selected == [f"{prefix}{layer}.parametrizations.weight.{part}" for layer in (0, 4, 6) for part in parts]
    assert sorted(others) == sorted(prefix + name for name in ordinary)


def test_what_is_left_out_tied_or_frozen():
    network = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3, bias=False))
    network[1].weight = network[0].weight
    network[3].requires_grad_(False)
    slotify_(network, options=4, filter_fn=lambda _, name: name != "2")
    selected, others = names(network)
    assert selected == [f"0.parametrizations.weight.{part}" for part in ("original", "0.score_scale")]
    assert others == ["0.bias", "1.bias", "2.weight", "2.bias", "3.weight"]


def test_each_group_is_trained_by_its_own_settings():
    network = slotify_(small_network(), options=4, selection="probabilistic")
    before = copy.deepcopy(network)
    groups = parameter_groups(network, selected={"lr": 25.0, "weight_decay": 0.01}, others={"lr": 0.0})
    assert [{name: value for name, value in group.items() if name != "params"} for group in groups] == [
        {"lr": 25.0, "weight_decay": 0.01},
        {"lr": 0.0},
    ]
    optimiser = torch.optim.SGD(groups, momentum=0.9)
    cross_entropy(network(images()), torch.tensor([0, 1, 2, 0, 1])).backward()
    optimiser.step()
    selected = {id(parameter) for parameter in groups[0]["params"]}
    for old, new in zip(before.parameters(), network.parameters(), strict=True):
        assert torch.equal(old, new) == (id(new) not in selected)
    assert network[0].parametrizations.weight[0].score_scale.item() == pytest.approx(1 - 25 * 0.01)


def test_a_network_without_other_parameters_has_an_empty_group_that_optimisers_take():
    network = slotify_(nn.Linear(3, 3, bias=False), options=4)
    groups = parameter_groups(network, selected={"lr": 1.0})
    assert [len(group["params"]) for group in groups] == [2, 0]
    for kind in (torch.optim.SGD, torch.optim.AdamW):
        optimiser = kind(parameter_groups(network), lr=0.1)
        network(torch.ones(1, 3)).sum().backward()
        optimiser.step()


def test_an_ordinary_network_has_no_such_groups():
    for network in (small_network(), bake_(slotify_(small_network(), options=4))):
        with pytest.raises(UserError, match="call slotify_ or mask_ first"):
            parameter_groups(network)
