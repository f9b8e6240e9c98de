"""Turning a network into a slot machine, and what is refused."""

import copy
import dataclasses
import math
import re
import subprocess
import sys
import warnings

import pytest
import torch
from torch import nn

from conftest import BOTH, scramble, small_network, theta_of
from slotmachines import UserError, bake_, build_network, option_table, selected_options, slotify_
from slotmachines.slots.convert import baked_state
from slotmachines.slots.device_memory import require_memory
from slotmachines.slots.random_options import value_bound_of

# Turning a network into a slot machine


def test_in_place_and_returns_the_module():
    network = small_network()
    layers = list(network)
    assert slotify_(network, options=3) is network and list(network) == layers
    assert list(selected_options(network)) == ["0.weight", "4.weight", "6.weight"]


def test_theta_is_the_old_parameter_and_starts_at_zero():
    network = small_network()
    weight = network[4].weight
    slotify_(network, options=3)
    assert theta_of(network[4]) is weight and weight.requires_grad and not weight.any()
    scale = network[4].parametrizations.weight[0].score_scale
    assert scale.item() == 1 and scale.requires_grad and any(scale is p for p in network.parameters())


def test_biases_and_other_layers_stay_as_they_are():
    network, before = small_network(), small_network().state_dict()
    slotify_(network, options=3)
    after = network.state_dict()
    kept = [name for name in before if name not in ("0.weight", "4.weight", "6.weight")]
    assert len(kept) == 8 and all(torch.equal(before[name], after[name]) for name in kept)


def test_weights_are_the_options_with_the_highest_initial_scores():
    network = slotify_(small_network(), options=5, seed=2, score_range=0.5)
    for name, (values, scores) in option_table(network).items():
        layer = network.get_submodule(name.removesuffix(".weight"))
        bound = value_bound_of(layer.weight.shape, "glorot-uniform")
        assert values.shape == scores.shape == (*layer.weight.shape, 5)
        assert values.abs().max() <= bound and scores.min() >= 0 and scores.max() <= bound / 2
        assert torch.equal(selected_options(network)[name], scores.argmax(-1))
        assert torch.equal(layer.weight, values.gather(-1, scores.argmax(-1, keepdim=True))[..., 0])


def test_score_range_by_layer_and_value_bound_as_a_number():
    network = slotify_(
        small_network(), options=4, value_bound=2.0, score_range=lambda m: 0.1 if isinstance(m, nn.Linear) else 1.0
    )
    table = option_table(network)
    for name, top in (("0.weight", 2.0), ("4.weight", 0.2), ("6.weight", 0.2)):
        values, scores = table[name]
        assert 1.8 < values.abs().max() <= 2 and 0.8 * top < scores.max() <= top


def test_filter_leaves_layers_out():
    network = slotify_(small_network(), options=3, filter_fn=lambda layer, name: name != "6")
    assert list(selected_options(network)) == ["0.weight", "4.weight"]
    assert isinstance(network[6].weight, nn.Parameter)


def test_options_depend_on_seed_and_name_alone():
    first, again, other = (option_table(slotify_(small_network(), options=3, seed=seed)) for seed in (0, 0, 1))
    assert all(torch.equal(a, b) for name in first for a, b in zip(first[name], again[name], strict=True))
    assert not any(torch.equal(a, b) for name in first for a, b in zip(first[name], other[name], strict=True))
    # Neither on the other layers, nor on the selection, nor on the weights there were.
    alone = slotify_(nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8)), options=3, filter_fn=lambda _, name: name == "1")
    both = slotify_(nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8)), options=3, selection="probabilistic")
    assert torch.equal(option_table(alone)["1.weight"][0], option_table(both)["1.weight"][0])
    assert not torch.equal(option_table(both)["0.weight"][0], option_table(both)["1.weight"][0])


def test_an_integer_of_numpy_is_the_same_seed():
    numpy = pytest.importorskip("numpy")
    tables = [
        option_table(slotify_(nn.Linear(3, 3), options=k, seed=s))
        for k, s in ((2, 5), (numpy.int64(2), numpy.int64(5)))
    ]
    assert torch.equal(tables[0]["weight"][0], tables[1]["weight"][0])


def test_a_single_layer_can_be_a_slot_machine():
    layer = slotify_(nn.Conv1d(2, 3, 3), options=2)
    assert list(selected_options(layer)) == ["weight"] and isinstance(bake_(layer).weight, nn.Parameter)


@BOTH
def test_torchs_generator_is_left_alone(selection):
    network = small_network()
    state = torch.get_rng_state()
    slotify_(network, options=3, selection=selection)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("settings", [{}, {"padding": "code"}])
def test_every_weight_of_the_networks_becomes_a_slot_machine(settings):
    network = build_network("conv6", **settings)
    names = [name for name, _ in network.named_parameters()]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert list(selected_options(slotify_(network, options=2))) == names


# What is refused


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"options": 0}, "at least 1, not 0"),
        ({"options": -2}, "at least 1, not -2"),
        ({"options": 2**32 + 1}, r"at most 2\^32 options, not 4294967297"),
        ({"options": 2, "sharing": "all"}, "unknown sharing 'all': use one of none, layer, network"),
        ({"options": 2.5}, r"at least 1, not 2\.5"),
        ({"options": 2, "selection": "best"}, "unknown selection 'best': use 'greedy' or 'probabilistic'"),
        ({"options": 2, "value_bound": "glorot"}, "unknown value bound 'glorot': use one of glorot-uniform"),
        ({"options": 2, "value_bound": -1}, "value bound must be positive"),
        ({"options": 2, "score_range": -1}, "score range must be finite and not negative"),
        ({"options": 2, "score_range": lambda layer: math.nan}, "score range must be finite and not negative"),
        ({"options": 2, "filter_fn": lambda layer, name: False}, "filter_fn left out all .*: '0', '4', '6'; let"),
    ],
)
def test_bad_settings(settings, message):
    network, before = small_network(), small_network().state_dict()
    with pytest.raises(UserError, match=message):
        slotify_(network, **settings)
    assert network.state_dict().keys() == before.keys()


def test_seed_that_is_no_integer():
    with pytest.raises(TypeError, match="integer"):
        slotify_(small_network(), options=2, seed="0")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_refused_and_leaves_the_network_as_it_was(dtype):
    network = small_network()
    network[6].to(dtype)  # the last layer only: the ones before must not be converted either
    before = copy.deepcopy(network.state_dict())
    with pytest.raises(TypeError, match=f"must be float32 or float64, not {dtype}; convert the module"):
        slotify_(network, options=2)
    after = network.state_dict()
    assert after.keys() == before.keys() and all(torch.equal(after[name], before[name]) for name in before)


def test_no_layer():
    with pytest.raises(UserError, match="no Linear, Conv or attention layer"):
        slotify_(nn.Sequential(nn.ReLU()), options=2)


def test_twice():
    with pytest.raises(UserError, match=r"0\.weight is selected already, by SlotMachine; call bake_ first"):
        slotify_(slotify_(small_network(), options=2), options=2)


def test_other_parametrization():
    network = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(3, 3)))
    with pytest.raises(
        UserError, match=r"0\.weight is parametrized already, by _WeightNorm; call .* or leave"
    ) as raised:
        slotify_(network, options=2)
    (call,) = re.findall(r"torch\.nn\.utils\.(\S+\(layer, 'weight'\))", str(raised.value))
    exec(f"from torch.nn.utils import parametrize; {call}", {"layer": network[0]})
    assert list(selected_options(slotify_(network, options=2))) == ["0.weight"]


@pytest.mark.parametrize("function", [bake_, selected_options, option_table])
def test_an_ordinary_network_is_no_slot_machine(function):
    with pytest.raises(ValueError, match="no slot machine and has no masks; call slotify_ or mask_ first"):
        function(small_network())


def test_too_many_options_for_the_memory():
    with pytest.raises(MemoryError, match=r"K = 4294967296 options would take \d+ GiB, more than the \d+ GiB"):
        slotify_(small_network(), options=2**32, selection="probabilistic")


def test_a_table_too_large_for_the_memory():
    network = slotify_(small_network(), options=2)
    machine = network[0].parametrizations.weight[0]
    machine.pool = dataclasses.replace(machine.pool, options=10**12)
    with pytest.raises(MemoryError, match="the option table would take"):
        option_table(network)


def test_the_memory_of_the_device_counts(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (3 * 2**30, 4 * 2**30))
    gpu = torch.device("cuda:1")
    require_memory([(gpu, 2**30), (gpu, 2**31), (torch.device("cpu"), 1)], "a table")
    with pytest.raises(MemoryError, match=r"a table would take 4 GiB, more than the 3 GiB of memory .* free on cuda:1"):
        require_memory([(gpu, 2**30), (gpu, 2**31 + 1)], "a table")


@BOTH
def test_weights_cannot_be_assigned(selection):
    network = scramble(slotify_(small_network(), options=3, selection=selection))
    before = copy.deepcopy(network.state_dict())
    for machine in (network, copy.deepcopy(network)):
        with pytest.raises(RuntimeError, match="selected, not assigned; call bake_ first"):
            machine[4].weight = torch.zeros(8, 64)
        with pytest.raises(RuntimeError, match="'weight' is selected, not assigned; call bake_ first"):
            machine[4].weight = nn.Parameter(torch.zeros(8, 64))
        assert all(torch.equal(before[name], value) for name, value in machine.state_dict().items())


@pytest.mark.parametrize(
    ("layer", "settings", "message"),
    [
        (
            nn.Linear(3, 3),
            {"seed": 2**63},
            "seed must be a whole number of 64 bits with a sign, not 9223372036854775808",
        ),
        (nn.Linear(3, 3), {"options": math.inf}, "at least 1, not inf"),
        (nn.Linear(3, 3), {"options": math.nan}, "at least 1, not nan"),
        (nn.Linear(3, 3), {"value_bound": 1e39}, r"float32 cannot hold values up to 1e\+39"),
        (nn.Linear(3, 3), {"value_bound": 1e-50}, "float32 cannot hold values up to 1e-50"),
        (nn.Linear(3, 3), {"value_bound": 1.0, "score_range": 3e38}, r"and scores up to 3e\+38"),
        (nn.LazyLinear(3), {}, "weight has no shape yet; run the network once"),
    ],
)
def test_numbers_out_of_range(layer, settings, message):
    with pytest.raises(ValueError, match=message):
        slotify_(layer, **{"options": 2, **settings})


def test_the_filter_sees_the_layers_that_can_be_converted():
    network = nn.Sequential(nn.Linear(5, 5), nn.ReLU(), nn.Linear(1, 5))
    slotify_(network, options=4, filter_fn=lambda layer, name: layer.in_features > 1)
    assert list(selected_options(network)) == ["0.weight"]


def test_another_default_device_changes_nothing():
    network = slotify_(nn.Linear(5, 4), options=4, sharing="layer")
    expected = network(torch.ones(2, 5)), selected_options(network)
    with torch.device("meta"):
        network = slotify_(copy.deepcopy(nn.Linear(5, 4, device="cpu")), options=4, sharing="layer")
        weight, options = network.weight, selected_options(network)
        network.load_state_dict(network.state_dict())
    assert torch.equal(weight, copy.deepcopy(network).weight) and torch.equal(options["weight"], expected[1]["weight"])


def test_a_layer_that_was_put_in_two_places_afterwards():
    network = slotify_(nn.Sequential(nn.Linear(5, 5), nn.Linear(5, 5)), options=4)
    network[1] = network[0]
    state = baked_state(network)
    assert state.keys() == bake_(network).state_dict().keys() and torch.equal(state["0.weight"], state["1.weight"])


def test_a_fork_of_a_process_with_several_threads_selects_too():
    script = """
import multiprocessing, torch
from slotmachines import slotify_
torch.set_num_threads(2)
layer = slotify_(torch.nn.Linear(200, 300), options=4)
weight = layer.weight.detach()
with torch.no_grad():
    layer.parametrizations.weight.original.normal_()
def select():
    raise SystemExit(0 if layer.weight.shape == weight.shape else 1)
child = multiprocessing.get_context("fork").Process(target=select)
child.start()
child.join(60)
assert child.exitcode == 0, child.exitcode
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], check=True)
