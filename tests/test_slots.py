"""The public functions: turning a network into a slot machine and back, and what is refused."""

import copy
import math
import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from slotmachines import bake_, build_network, option_table, selected_options, slotify_
from slotmachines.options import value_bound_of
from slotmachines.slots import baked_state, slot_machines

BOTH = pytest.mark.parametrize("selection", ["greedy", "probabilistic"])


def small_network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 3)
    )


def images(count: int = 5, seed: int = 0, **more) -> torch.Tensor:
    return torch.rand(count, 1, 6, 6, generator=torch.Generator().manual_seed(seed), **more)


def scramble(network: nn.Module, seed: int = 1, scale: float = 0.3) -> nn.Module:
    """Give theta values as training would."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for _, layer, _ in slot_machines(network):
            theta = layer.parametrizations.weight.original
            theta.copy_(scale * torch.randn(theta.shape, generator=generator))
    return network


def theta_of(layer: nn.Module) -> nn.Parameter:
    return layer.parametrizations.weight.original


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


# What is refused


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"options": 0}, "at least 1, not 0"),
        ({"options": -2}, "at least 1, not -2"),
        ({"options": 2.5}, r"at least 1, not 2\.5"),
        ({"options": 2, "selection": "best"}, "unknown selection 'best': use 'greedy' or 'probabilistic'"),
        ({"options": 2, "value_bound": "glorot"}, "unknown value bound 'glorot': use one of glorot-uniform"),
        ({"options": 2, "value_bound": -1}, "value bound must be positive"),
        ({"options": 2, "score_range": -1}, "score range must be finite and not negative"),
        ({"options": 2, "score_range": lambda layer: math.nan}, "score range must be finite and not negative"),
        ({"options": 2, "filter_fn": lambda layer, name: False}, "no Linear or Conv layer"),
    ],
)
def test_bad_settings(settings, message):
    network, before = small_network(), small_network().state_dict()
    with pytest.raises(ValueError, match=message):
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
    with pytest.raises(ValueError, match="no Linear or Conv layer"):
        slotify_(nn.Sequential(nn.ReLU()), options=2)


def test_twice():
    with pytest.raises(ValueError, match=r"0\.weight is parametrized already"):
        slotify_(slotify_(small_network(), options=2), options=2)


def test_other_parametrization():
    network = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(3, 3)))
    with pytest.raises(ValueError, match=r"0\.weight is parametrized already"):
        slotify_(network, options=2)


@pytest.mark.parametrize("shared", ["weight", "layer", "embedding"])
def test_tied_weights(shared):
    first = nn.Embedding(4, 4) if shared == "embedding" else nn.Linear(4, 4)
    network = nn.Sequential(first, nn.Linear(4, 4))
    if shared == "layer":
        network[1] = network[0]
    else:
        network[1].weight = network[0].weight
    with pytest.raises(ValueError, match=r"0\.weight and 1\.weight are one tied weight; untie it, or leave it out"):
        slotify_(network, options=2)


def test_attention():
    network = nn.Sequential(nn.MultiheadAttention(4, 2), nn.Linear(4, 4))
    with pytest.raises(ValueError, match="0: attention keeps its projections in one packed weight; leave it out"):
        slotify_(network, options=2)
    slotify_(network, options=2, filter_fn=lambda layer, name: not name.startswith("0"))
    assert list(selected_options(network)) == ["1.weight"]


@pytest.mark.parametrize("function", [bake_, selected_options, option_table])
def test_an_ordinary_network_is_no_slot_machine(function):
    with pytest.raises(ValueError, match="no slot machine; call slotify_ first"):
        function(small_network())


def test_too_many_options_for_the_memory():
    with pytest.raises(MemoryError, match=r"K = 1000000000000 options would take \d+ GiB, more than the \d+ GiB"):
        slotify_(small_network(), options=10**12)


def test_a_table_too_large_for_the_memory():
    network = slotify_(small_network(), options=2)
    machine = network[0].parametrizations.weight[0]
    machine.values = machine.values[:1].expand(10**12, -1)  # as large as a table, without its memory
    with pytest.raises(MemoryError, match="the option table would take"):
        option_table(network)


@BOTH
def test_weights_cannot_be_assigned(selection):
    network = scramble(slotify_(small_network(), options=3, selection=selection))
    before = copy.deepcopy(network.state_dict())
    for machine in (network, copy.deepcopy(network)):
        with pytest.raises(RuntimeError, match="selected, not assigned; call bake_ first"):
            machine[4].weight = torch.zeros(8, 64)
        with pytest.raises(KeyError, match="already exists"):
            machine[4].weight = nn.Parameter(torch.zeros(8, 64))
        assert all(torch.equal(before[name], value) for name, value in machine.state_dict().items())


# Forward and backward


@BOTH
def test_evaluation_uses_the_best_option_and_training_follows_the_rule(selection):
    network = scramble(slotify_(small_network(), options=8, selection=selection))
    best = network[4].parametrizations.weight[0].best_weight(theta_of(network[4]))
    network.eval()
    assert torch.equal(network[4].weight, best) and torch.equal(network[4].weight, best)
    network.train()
    same = (network[4].weight == best).float().mean().item()
    assert same == 1 if selection == "greedy" else 0.05 < same < 0.5


def test_probabilistic_selection_draws_anew_in_each_forward_pass():
    network = slotify_(nn.Sequential(nn.Linear(8, 8)), options=8, selection="probabilistic")
    outputs = [network(torch.eye(8)) for _ in range(2)]
    assert not torch.equal(*outputs)


def test_theta_receives_the_gradient_of_the_weight_and_the_scale_zeros():
    network = scramble(slotify_(small_network(), options=4))
    plain = bake_(copy.deepcopy(network))
    for net in (network, plain):
        functional.cross_entropy(net(images()), torch.tensor([0, 1, 2, 0, 1])).backward()
    for number in (0, 4, 6):
        assert torch.equal(theta_of(network[number]).grad, plain[number].weight.grad)
        scale = network[number].parametrizations.weight[0].score_scale
        assert scale.grad is not None and scale.grad.item() == 0
        assert torch.equal(network[number].bias.grad, plain[number].bias.grad)


def test_weight_decay_shrinks_the_score_scale():
    network = slotify_(small_network(), options=4)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.5, weight_decay=0.1)
    for _ in range(3):
        optimiser.zero_grad()
        network(images()).sum().backward()
        optimiser.step()
    for _, _, machine in slot_machines(network):
        assert machine.score_scale.item() == pytest.approx((1 - 0.5 * 0.1) ** 3)


@BOTH
def test_two_forward_passes_before_one_backward_pass(selection):
    network = scramble(slotify_(small_network(), options=4, selection=selection)).eval()
    network(images(seed=1)).square().sum().backward()
    network(images(seed=2)).square().sum().backward()
    one_by_one = [p.grad.clone() for p in network.parameters()]
    network.zero_grad()
    first, second = network(images(seed=1)), network(images(seed=2))
    (first.square().sum() + second.square().sum()).backward()
    torch.testing.assert_close([p.grad for p in network.parameters()], one_by_one)


def test_steps_between_two_forward_passes_do_not_change_the_first():
    network = scramble(slotify_(small_network(), options=4))
    before = network[4].weight
    kept = before.detach().clone()
    scramble(network, seed=2)
    assert not torch.equal(network[4].weight, kept) and torch.equal(before, kept)


def test_activation_checkpointing_redraws_the_same_sample():
    gradients = []
    for wrapped in (False, True):
        network = slotify_(
            nn.Sequential(nn.Linear(36, 16, bias=False), nn.Linear(16, 3, bias=False)),
            options=8,
            selection="probabilistic",
        )
        torch.manual_seed(0)
        inputs = images().flatten(1)
        outputs = checkpoint(network, inputs, use_reentrant=False) if wrapped else network(inputs)
        outputs.square().sum().backward()
        gradients.append([p.grad for p in network.parameters()])
    torch.testing.assert_close(*gradients, rtol=0, atol=0)


@BOTH
def test_an_ordinary_loop_learns_the_digits(selection):
    from sklearn.datasets import load_digits

    data, labels = load_digits(return_X_y=True)
    inputs, labels = torch.tensor(data, dtype=torch.float32) / 16, torch.tensor(labels)
    torch.manual_seed(0)
    network = slotify_(nn.Sequential(nn.Linear(64, 64, bias=False), nn.ReLU(), nn.Linear(64, 10, bias=False)),
                       options=4, selection=selection)  # fmt: skip
    optimiser = torch.optim.SGD(network.parameters(), lr=0.2 if selection == "greedy" else 10.0, momentum=0.9)
    for _ in range(12):
        for batch in torch.randperm(1400).split(64):
            optimiser.zero_grad()
            functional.cross_entropy(network(inputs[batch]), labels[batch]).backward()
            optimiser.step()
    network.eval()
    assert (network(inputs[1400:]).argmax(1) == labels[1400:]).float().mean() > 0.8


# States and copies


def restored(state, **settings):
    network = slotify_(small_network(), **settings)
    network.load_state_dict(state)
    return network


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


def test_the_state_holds_one_number_per_connection():
    network = slotify_(nn.Linear(30, 20, bias=False), options=64)
    assert sum(value.numel() for value in network.state_dict().values()) < 30 * 20 + 10


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"seed": 4}, "another seed:"),
        ({"options": 5}, "another options:"),
        ({"value_bound": "glorot-deviation"}, "another value_bound, score_range:"),
        ({"score_range": 0.5}, "another score_range:"),
        ({"seed": 4, "options": 5}, "another seed, options:"),
    ],
)
def test_states_of_other_slot_machines_are_refused(changed, message):
    state = slotify_(small_network(), **SETTINGS).state_dict()
    with pytest.raises(RuntimeError, match=message):
        restored(state, **{**SETTINGS, **changed})


def test_the_state_of_another_place_is_refused():
    state = slotify_(nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3)), options=2)[0].state_dict()
    with pytest.raises(RuntimeError, match="another name:"):
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
    assert len(tensors) == 20 and all(tensor.is_meta for tensor in tensors)
    assert network(images(device="meta")).shape == (5, 3)


# Baking


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


@pytest.mark.parametrize("settings", [{}, {"padding": "code"}])
def test_every_weight_of_the_networks_becomes_a_slot_machine(settings):
    network = build_network("conv6", **settings)
    names = [name for name, _ in network.named_parameters()]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert list(selected_options(slotify_(network, options=2))) == names
