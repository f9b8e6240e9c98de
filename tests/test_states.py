"""The state of a slot machine, its copies, and its conversion to another type or device."""

import copy

import pytest
import torch
from torch import nn

from conftest import BOTH, images, scramble, small_network, theta_of
from slotmachines import option_table, selected_options, slotify_


def restored(state, **settings):
    network = slotify_(small_network(), **settings)
    network.load_state_dict(state)
    return network


SCALE = "4.parametrizations.weight.0.score_scale"
SETTINGS = {"options": 4, "seed": 3, "value_bound": "glorot-uniform", "score_range": 1.0}


@BOTH
def test_state_dict_round_trip(selection, tmp_path):
    network = scramble(slotify_(small_network(), selection=selection, **SETTINGS))
    network[4].parametrizations.weight[0].score_scale.data.fill_(0.5)
    torch.save(network.state_dict(), tmp_path / "state.pt")
    other = restored(torch.load(tmp_path / "state.pt", weights_only=True), selection=selection, **SETTINGS)
    assert torch.equal(network.eval()(images()), other.eval()(images()))
    options = selected_options(other)
    assert all(torch.equal(chosen, options[name]) for name, chosen in selected_options(network).items())


@pytest.mark.parametrize("assign", [False, True])
def test_a_state_from_before_the_scale_had_a_dimension(assign):
    network = scramble(slotify_(small_network(), **SETTINGS))
    network[4].parametrizations.weight[0].score_scale.data.fill_(0.5)
    state = network.state_dict()
    old = {name: value.reshape(()) if name.endswith("score_scale") else value for name, value in state.items()}
    other = slotify_(small_network(), **SETTINGS)
    other.load_state_dict(old, assign=assign)
    loaded = other.state_dict()
    assert all(torch.equal(value, loaded[name]) for name, value in state.items())
    assert loaded[SCALE].shape == (1,) and old[SCALE].shape == ()


def test_the_state_holds_one_number_per_connection():
    network = slotify_(nn.Linear(30, 20, bias=False), options=64)
    assert sum(value.numel() for value in network.state_dict().values()) < 30 * 20 + 10


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"seed": 4}, r"other settings, seed=3 \(here 4\): call slotify_"),
        ({"options": 5}, r"other settings, options=4 \(here 5\): call slotify_"),
        (
            {"value_bound": "glorot-deviation"},
            r"settings, value_bound=0\.\d+ \(here 0\.\d+\), score_bound=0\.\d+ \(here 0\.\d+\):",
        ),
        ({"score_range": 0.5}, r"other settings, score_bound=0\.\d+ \(here 0\.\d+\):"),
        ({"sharing": "layer"}, r"sharing=none \(here layer\)"),
        ({"seed": 4, "options": 5}, r"seed=3 \(here 4\), options=4 \(here 5\)"),
    ],
)
def test_states_of_other_slot_machines_are_refused(changed, message):
    state = slotify_(small_network(), **SETTINGS).state_dict()
    with pytest.raises(RuntimeError, match=message):
        restored(state, **{**SETTINGS, **changed})


def test_the_state_of_another_place_is_refused():
    state = slotify_(nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3)), options=2)[0].state_dict()
    with pytest.raises(RuntimeError, match="a weight with another name: call slotify_ on the same module"):
        slotify_(nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3)), options=2)[1].load_state_dict(state)


@BOTH
def test_deepcopy(selection):
    network = scramble(slotify_(small_network(), options=4, selection=selection)).eval()
    copied = copy.deepcopy(network)
    assert torch.equal(network(images()), copied(images()))
    before = network(images())
    scramble(copied, seed=9)
    assert torch.equal(network(images()), before) and not torch.equal(copied(images()), before)


def test_double_after_slotify_keeps_the_values():
    network = scramble(slotify_(small_network(), options=4))
    options = selected_options(network)
    network.double()
    for name, (values, scores) in option_table(network).items():
        assert values.dtype == scores.dtype == torch.float64
        assert torch.equal(values, values.float().double())
        assert torch.equal(selected_options(network)[name], options[name])
    network(images(dtype=torch.float64)).sum().backward()
    assert theta_of(network[0]).grad.dtype == torch.float64


def test_to_moves_everything():
    network = slotify_(small_network(), options=4).to("meta")
    tensors = [*network.parameters(), *network.buffers()]
    assert len(tensors) == 14 and all(tensor.is_meta for tensor in tensors)
    assert network(images(device="meta")).shape == (5, 3)
