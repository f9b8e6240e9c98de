"""Files of the layout of the authors' released code, written here, and the slot machines that are read from them."""

import copy
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from released_files import LENET, STATISTICS, conv_network, conv_state, released_state, saved, selected
from slotmachines import (
    bake_,
    build_network,
    load_released_checkpoint_,
    option_table,
    selected_options,
    slotify_,
)
from slotmachines.slots.convert import baked_state
from slotmachines.slots.dense import dense_scores


@pytest.fixture
def path(tmp_path):
    return tmp_path / "init_weights_8.pt"


# What is read


@pytest.mark.parametrize("selection", ["greedy", "probabilistic"])
@pytest.mark.parametrize("options", [1, 2, 8])
def test_lenet_selects_what_the_file_selects(options, selection, path):
    state = released_state(LENET, options)
    network = build_network("lenet")
    assert load_released_checkpoint_(network, saved(state, path), selection=selection) is network
    chosen, ordinary, images = selected_options(network), build_network("lenet"), torch.rand(6, 1, 28, 28)
    for (name, parameter), layer in zip(ordinary.named_parameters(), LENET, strict=True):
        expected, weights = selected(state, layer)
        assert np.array_equal(chosen[name].numpy(), expected)
        parameter.data.copy_(torch.from_numpy(weights))
    assert torch.equal(network.eval()(images), ordinary(images))
    assert all(torch.equal(value, ordinary.state_dict()[name]) for name, value in baked_state(network).items())


def test_a_convolutional_network_with_batch_normalisation(path):
    state, images = conv_state(), torch.rand(5, 1, 6, 6)
    network = load_released_checkpoint_(conv_network(), saved(state, path)).eval()
    hidden = functional.conv2d(images, torch.from_numpy(selected(state, "features.conv_1")[1]))
    hidden = functional.batch_norm(hidden, *(state[f"features.bn_0.{part}"] for part in STATISTICS)).relu()
    expected = hidden.flatten(1) @ torch.from_numpy(selected(state, "classifier.fc1")[1]).T
    torch.testing.assert_close(network(images), expected)
    assert network[1].num_batches_tracked == 7


def test_baking_leaves_an_ordinary_trainable_network_of_the_same_output(path):
    network = load_released_checkpoint_(conv_network(), saved(conv_state(), path), selection="probabilistic")
    images = torch.rand(5, 1, 6, 6)
    expected, state = copy.deepcopy(network).eval()(images), baked_state(network)
    assert bake_(network) is network
    assert torch.equal(network.eval()(images), expected)
    assert network.state_dict().keys() == conv_network().state_dict().keys() == state.keys()
    assert all(type(layer.weight) is nn.Parameter and layer.weight.requires_grad for layer in (network[0], network[4]))
    load_released_checkpoint_(network, path)  # ordinary, so it can become a slot machine again
    assert torch.equal(network.eval()(images), expected)


@pytest.mark.parametrize("selection", ["greedy", "probabilistic"])
def test_all_scores_train_by_the_straight_through_gradient(selection, path):
    state = released_state(LENET, 4)
    network = load_released_checkpoint_(build_network("lenet"), saved(state, path), selection=selection)
    upstream = torch.rand(300, 784)
    network.dense1.weight.backward(upstream)
    machine = network.dense1.parametrizations.weight[0]
    values = state["classifier.fc1.weight"]
    assert torch.equal(machine.scores.grad, upstream[..., None] * values)
    torch.optim.SGD(network.parameters(), lr=0.5, momentum=0.9, weight_decay=0.1).step()
    scores = state["classifier.fc1.score"]
    torch.testing.assert_close(machine.scores.detach(), scores - 0.5 * (upstream[..., None] * values + 0.1 * scores))
    assert torch.equal(machine.values, values)
    assert torch.equal(selected_options(network)["dense1.weight"], machine.scores.argmax(-1))


def test_probabilistic_training_draws_and_evaluation_takes_the_best(path):
    network = load_released_checkpoint_(build_network("lenet"), saved(released_state(LENET, 8), path),
                                        selection="probabilistic")  # fmt: skip
    assert not torch.equal(network.dense1.weight, network.dense1.weight)
    network.eval()
    assert torch.equal(network.dense1.weight, baked_state(network)["dense1.weight"])


def test_the_file_of_a_slot_machine_of_this_library_trains_to_the_same_selections(path):
    """Values and initial scores of `slotify_` in that layout: one trained number and K trained scores agree."""
    ours = slotify_(build_network("lenet").double(), options=4)
    state = {}
    for (values, scores), layer in zip(option_table(ours).values(), LENET, strict=True):
        state |= {f"{layer}.weight": values, f"{layer}.score": scores}
    networks = ours, load_released_checkpoint_(build_network("lenet").double(), saved(state, path))
    inputs, labels = torch.rand(8, 1, 28, 28, dtype=torch.float64), torch.randint(10, (8,))
    start = selected_options(ours)
    for network in networks:
        optimiser = torch.optim.SGD(network.parameters(), lr=0.5, momentum=0.9, weight_decay=1e-4)
        for _ in range(15):
            optimiser.zero_grad()
            functional.cross_entropy(network(inputs), labels).backward()
            optimiser.step()
    choices = [selected_options(network) for network in networks]
    assert all(torch.equal(choices[0][name], choices[1][name]) for name in start)
    assert not torch.equal(start["dense1.weight"], choices[0]["dense1.weight"])


@pytest.mark.parametrize("wrap", [
    lambda state: state,
    lambda state: {"state_dict": state, "epoch": 3, "optimizer": {"state": {}, "param_groups": []}},
    lambda state: {"model": {f"module.{name}": value for name, value in state.items()}},
    lambda state: {name: nn.Parameter(value) for name, value in state.items()},
])  # fmt: skip
def test_where_the_state_dict_stands_in_the_file(wrap, path):
    state = released_state(LENET, 3)
    network = load_released_checkpoint_(build_network("lenet"), saved(wrap(state), path))
    assert torch.equal(dense_scores(network)["dense2.weight"], state["classifier.fc2.score"])


def test_a_module_that_is_one_layer(path):
    state = {"weight": torch.rand(3, 4, 2), "score": torch.rand(3, 4, 2)}
    layer = load_released_checkpoint_(nn.Linear(4, 3, bias=False), saved(state, path))
    assert torch.equal(selected_options(layer)["weight"], state["score"].argmax(-1))


def test_equal_names_come_before_the_order_and_given_names_before_both(path):
    network = nn.ModuleDict({name: nn.Linear(3, 3, bias=False) for name in ("a", "b", "c")})
    state = released_state(dict.fromkeys(("c", "b", "a"), (3, 3)), 4)
    saved(state, path)
    for names, expected in [({}, "abc"), ({"a": "b", "b": "a"}, "bac"), ({"c": "b"}, "cab")]:
        read = load_released_checkpoint_(copy.deepcopy(network), path, names=names)
        for ours, theirs in zip("abc", expected, strict=True):
            assert torch.equal(dense_scores(read)[f"{ours}.weight"], state[f"{theirs}.score"]), names


@settings(max_examples=40, deadline=None)
@given(
    shapes=st.lists(st.lists(st.integers(1, 4), min_size=2, max_size=5), min_size=1, max_size=4),
    options=st.lists(st.integers(1, 6), min_size=4, max_size=4),
    levels=st.integers(1, 3),
    seed=st.integers(0, 2**32),
)
def test_layers_of_any_shape_and_k_select_as_numpy_does(tmp_path_factory, shapes, options, levels, seed):
    """Scores of few levels are often equal: the first of them is selected."""
    path = tmp_path_factory.getbasetemp() / "any.pt"
    kinds = {2: nn.Linear, 3: nn.Conv1d, 4: nn.Conv2d, 5: nn.Conv3d}
    generator, state, network = torch.Generator().manual_seed(seed), {}, nn.Sequential()
    for number, (shape, count) in enumerate(zip(shapes, options[: len(shapes)], strict=True)):
        state[f"layer_{number}.weight"] = torch.randn(*shape, count, generator=generator)
        state[f"layer_{number}.score"] = torch.randint(levels, (*shape, count), generator=generator).float()
        size = (tuple(shape[2:]),) if len(shape) > 2 else ()
        network.append(kinds[len(shape)](shape[1], shape[0], *size, bias=False))
    load_released_checkpoint_(network, saved(state, path))
    chosen, weights = selected_options(network), baked_state(network)
    for number in range(len(shapes)):
        expected, values = selected(state, f"layer_{number}")
        assert np.array_equal(chosen[f"{number}.weight"].numpy(), expected)
        assert np.array_equal(weights[f"{number}.weight"].numpy(), values)


def test_the_examples_of_the_documentation_run(tmp_path, monkeypatch):
    text = (Path(__file__).parents[1] / "docs" / "released-code.md").read_text()
    snippets = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(snippets) == 4
    monkeypatch.chdir(tmp_path)
    lenet = released_state(LENET, 8)
    saved(lenet, Path("init_weights_8.pt"))
    saved({f"{layer}.weight": torch.from_numpy(selected(lenet, layer)[1]) for layer in LENET}, Path("subnet_8_100.pt"))
    shapes = {
        name.replace("dense", "classifier.fc").replace("conv", "features.conv_").removesuffix(".weight"): weight.shape
        for name, weight in build_network("conv6", padding="code").named_parameters()
    }
    saved(released_state(shapes, 2), Path("conv6.pt"))
    space: dict = {}
    exec(snippets[0], space)
    baked = space["network"].state_dict()
    exec("".join(snippets[1:]), space)
    assert all(torch.equal(value, baked[name]) for name, value in space["network"].state_dict().items())
