"""Turning a slot machine back into an ordinary network."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from conftest import BOTH, images, scramble, small_network
from slotmachines import bake_, build_network, option_table, selected_options, slotify_
from slotmachines.slots.convert import baked_state, is_slot_machine


@BOTH
@pytest.mark.parametrize("training", [False, True])
def test_baked_network_gives_exactly_the_output_of_evaluation(selection, training):
    network = scramble(slotify_(small_network(), options=8, selection=selection))
    network(images(seed=3)).sum().backward()
    expected = copy.deepcopy(network).eval()(images())
    options, table = selected_options(network), option_table(network)
    network.train(training)
    assert bake_(network) is network and network.training == training
    assert torch.equal(network.eval()(images()), expected)
    assert network.state_dict().keys() == small_network().state_dict().keys()
    for number in (0, 4, 6):
        layer, name = network[number], f"{number}.weight"
        assert type(layer) in (nn.Conv2d, nn.Linear) and isinstance(layer.weight, nn.Parameter)
        assert layer.weight.grad is None and layer.weight.requires_grad
        assert torch.equal(layer.weight, table[name][0].gather(-1, options[name][..., None])[..., 0])


def test_baking_takes_the_best_options_where_a_sample_is_cached():
    network = scramble(slotify_(small_network(), options=8, selection="probabilistic"))
    expected = baked_state(network)
    with parametrize.cached():
        sampled = network[4].weight
        bake_(network)
    assert not torch.equal(sampled, expected["4.weight"])
    assert all(torch.equal(value, expected[name]) for name, value in network.state_dict().items())


def test_baked_state_is_what_bake_leaves_and_changes_nothing():
    network = scramble(slotify_(small_network(), options=8, selection="probabilistic"))
    before = copy.deepcopy(network.state_dict())
    state = baked_state(network)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    baked = bake_(network).state_dict()
    assert state.keys() == baked.keys() and all(torch.equal(state[name], baked[name]) for name in baked)
    network[4].weight.data.zero_()
    assert state["4.weight"].any()
    assert all(torch.equal(value, baked_state(network)[name]) for name, value in network.state_dict().items())


def test_baking_a_copy_leaves_the_original_a_slot_machine():
    network = scramble(slotify_(small_network(), options=4))
    before = network.eval()(images())
    bake_(copy.deepcopy(network))
    assert torch.equal(network(images()), before)
    assert isinstance(bake_(network)[4].weight, nn.Parameter)


def test_a_baked_network_is_ordinary():
    network = bake_(slotify_(build_network("lenet"), options=4))
    network.dense1.weight = nn.Parameter(torch.zeros(300, 784))
    assert not network.dense1.weight.any()
    slotify_(network, options=2)
    assert len(option_table(network)["dense1.weight"][0][0, 0]) == 2


def test_another_parametrization_on_top_is_refused():
    network = slotify_(small_network(), options=3)
    nn.utils.parametrize.register_parametrization(network[4], "weight", nn.ReLU(), unsafe=True)
    with pytest.raises(ValueError, match=r"4\.weight has another parametrization on top"):
        bake_(network)
    assert is_slot_machine(network[0])


def test_the_state_of_another_parametrization_is_kept():
    layers = nn.Sequential(nn.Linear(3, 3), nn.utils.parametrizations.weight_norm(nn.Linear(3, 3)))
    slotify_(layers, options=2, filter_fn=lambda layer, name: name == "0")
    assert baked_state(layers).keys() == bake_(layers).state_dict().keys()
