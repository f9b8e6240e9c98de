"""Files of the layout of the authors' released code, written here, and the slot machines that are read from them."""

import copy
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from slotmachines import (
    UserError,
    bake_,
    build_network,
    load_released_checkpoint_,
    option_table,
    save_ticket,
    selected_options,
    slotify_,
)
from slotmachines.slots.convert import baked_state
from slotmachines.slots.dense import dense_scores

LENET = {"classifier.fc1": (300, 784), "classifier.fc2": (100, 300), "classifier.fc3": (10, 100)}
CONV = {"features.conv_1": (4, 1, 3, 3), "classifier.fc1": (3, 64)}
STATISTICS = {"running_mean": (4,), "running_var": (4,)}


def released_state(shapes: dict[str, tuple[int, ...]], options: int, seed: int = 0, **more) -> dict[str, torch.Tensor]:
    """Values and scores of K options per connection."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for layer, shape in shapes.items():
        state[f"{layer}.weight"] = 0.2 * torch.rand(*shape, options, generator=generator, **more) - 0.1
        state[f"{layer}.score"] = 0.1 * torch.rand(*shape, options, generator=generator, **more)
    return state


def conv_state(options: int = 5) -> dict[str, torch.Tensor]:
    """Of a convolution, a batch normalisation and a dense layer."""
    state = released_state(CONV, options)
    statistics = {f"features.bn_0.{part}": torch.rand(shape) + 0.5 for part, shape in STATISTICS.items()}
    statistics["features.bn_0.num_batches_tracked"] = torch.tensor(7)
    first, last = list(state.items())[:2], list(state.items())[2:]
    return dict([*first, *statistics.items(), *last])


def conv_network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, bias=False),
        nn.BatchNorm2d(4, affine=False),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(64, 3, bias=False),
    )


def saved(content, path: Path) -> Path:
    torch.save(content, path)
    return path


def selected(state: dict[str, torch.Tensor], layer: str) -> tuple[np.ndarray, np.ndarray]:
    """The selected options of a layer and their values, by numpy."""
    options = state[f"{layer}.score"].numpy().argmax(-1)
    return options, np.take_along_axis(state[f"{layer}.weight"].numpy(), options[..., None], -1)[..., 0]


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


# What is refused


class Code:
    """Leaves a trace when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return Path.touch, (self.trace,)


def assert_refused(network: nn.Module, path: Path, message: str, **more) -> None:
    before = copy.deepcopy(network.state_dict())
    with pytest.raises(UserError, match=message) as caught:
        load_released_checkpoint_(network, path, **more)
    assert "\n" not in str(caught.value)
    assert before.keys() == network.state_dict().keys()
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def without(name):
    return lambda state: state.pop(name)


def changed(name, change):
    return lambda state: state.update({name: change(state[name])})


def spoilt(value):
    def change(tensor):
        tensor = tensor.clone()
        tensor.view(-1)[-1] = value
        return tensor

    return change


@pytest.mark.parametrize(("change", "message"), [
    (without("classifier.fc1.score"), r"has no classifier\.fc1\.score, of shape \(3, 64, K\) for 4; build the network"),
    (without("features.conv_1.weight"), r"has no features\.conv_1\.weight, of shape \(4, 1, 3, 3, K\) for 0"),
    (without("features.bn_0.running_var"), r"has no features\.bn_0\.running_var, of shape \(4,\) for 1"),
    (changed("classifier.fc1.score", lambda s: s[..., :3]),
     r"classifier\.fc1\.weight has 5 values and classifier\.fc1\.score 3 scores per connection; give a file"),
    (changed("classifier.fc1.weight", lambda s: s[:, 1:]),
     r"classifier\.fc1\.weight is \(3, 63, 5\), 4\.weight needs \(3, 64, K\); build the network that was trained"),
    (changed("features.conv_1.score", lambda s: s[..., 0]),
     r"features\.conv_1\.score is \(4, 1, 3, 3\), 0\.score needs \(4, 1, 3, 3, K\)"),
    (changed("classifier.fc1.weight", lambda s: s[..., :0]), r"is \(3, 64, 0\), 4\.weight needs \(3, 64, K\)"),
    (changed("features.bn_0.running_mean", lambda s: s[1:]),
     r"features\.bn_0\.running_mean is \(3,\), 1\.running_mean needs \(4,\)"),
    (changed("classifier.fc1.score", spoilt(torch.nan)), r"fc1\.score holds numbers that are not finite; give a file"),
    (changed("features.conv_1.weight", spoilt(-torch.inf)), r"conv_1\.weight holds numbers that are not finite"),
    (changed("features.bn_0.running_var", spoilt(torch.inf)), r"bn_0\.running_var holds numbers that are not finite"),
    (changed("classifier.fc1.weight", torch.Tensor.double),
     r"holds classifier\.fc1\.weight in float64, the network in float32; convert the network by \.to\(torch\.float64"),
    (lambda state: state.update({"classifier.fc1.bias": torch.zeros(3)}),
     r"holds classifier\.fc1\.bias, for which 4 has no place"),
    (lambda state: state.update(released_state({"classifier.fc2": (3, 3)}, 5)),
     r"is of another network: its layers features\.conv_1, features\.bn_0, classifier\.fc1, classifier\.fc2 do not "
     r"correspond to 0, 1, 4 here; build the network that was trained"),
])  # fmt: skip
def test_a_file_that_does_not_fit_is_refused(change, message, path):
    state = conv_state()
    change(state)
    assert_refused(conv_network(), saved(state, path), message)


@pytest.mark.parametrize(("content", "message"), [
    ({"a.weight": torch.ones(3, 4)}, "holds no scores, so it is no slot machine; selected weights, in files named sub"),
    ({"epoch": 3}, "holds no state dict; give a file that torch.save wrote of one"),
    ({}, "holds no state dict"),
    ([torch.ones(3)], "holds no state dict"),
    ({"a.weight": torch.ones(3, 4, 2), "a.score": 3}, "holds no state dict"),
    ({"a\n.weight": torch.ones(3, 4, 2), "a\n.score": torch.ones(3, 4, 2)}, "holds no state dict"),
    ({key: {"a.weight": torch.ones(3, 4, 2), "a.score": torch.ones(3, 4, 2)} for key in ("mean", "last")},
     "holds 2 slot machines; save the state dict of the one you want alone"),
])  # fmt: skip
def test_a_file_of_something_else_is_refused(content, message, path):
    assert_refused(nn.Linear(4, 3, bias=False), saved(content, path), message)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("kept", [0, 1, 100, 0.5, 0.99])
def test_a_truncated_file_is_refused(kept, zipped, path):
    torch.save(conv_state(), path, _use_new_zipfile_serialization=zipped)
    load_released_checkpoint_(conv_network(), path)
    content = path.read_bytes()
    path.write_bytes(content[: kept if isinstance(kept, int) else int(kept * len(content))])
    assert_refused(conv_network(), path, "is damaged, or holds more than plain data.*copy it again")


def test_a_changed_bit_is_noticed(path):
    state = conv_state()
    number = state["classifier.fc1.weight"].numpy().tobytes()[-4:]
    content = saved(state, path).read_bytes()
    assert content.count(number) == 1
    path.write_bytes(content.replace(number, bytes([number[0] ^ 1]) + number[1:]))
    assert_refused(conv_network(), path, "is damaged, or holds more than plain data.*copy it again")


def test_a_missing_file_and_a_folder_are_refused(path, tmp_path):
    assert_refused(conv_network(), path, "cannot read .*No such file or directory; give a file of the released code")
    assert_refused(conv_network(), tmp_path, "cannot read .*Is a directory")


@pytest.mark.parametrize("write", [torch.save, lambda content, path: path.write_bytes(pickle.dumps(content))])
def test_code_in_a_file_is_not_run(write, path, tmp_path):
    trace = tmp_path / "trace"
    write({**conv_state(), "more": Code(trace)}, path)
    assert_refused(conv_network(), path, "could run code and is not loaded")
    assert not trace.exists()
    torch.load(path, weights_only=False) if write is torch.save else pickle.loads(path.read_bytes())
    assert trace.exists(), "the file would not have run any code"


@pytest.mark.parametrize(("names", "message"), [
    ({"9": "classifier.fc1"}, "names: the network has no layer '9'; its layers are 0, 1, 4"),
    ({"4": "classifier.fc9"}, r"has no layer 'classifier\.fc9'; its layers are features\.conv_1, features\.bn_0"),
    ({"4": "features.conv_1"}, r"has no features\.bn_0\.weight, of shape \(4, 1, 3, 3, K\) for 0"),
])  # fmt: skip
def test_names_of_layers_that_there_are_not_are_refused(names, message, path):
    assert_refused(conv_network(), saved(conv_state(), path), message, names=names)


def test_an_unknown_selection_is_refused(path):
    assert_refused(conv_network(), saved(conv_state(), path), "unknown selection 'best': use", selection="best")


def tied() -> nn.Module:
    network = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
    network[1].weight = network[0].weight
    return network


@pytest.mark.parametrize(("build", "message"), [
    (lambda: nn.ReLU(), "there is no Linear or Conv layer to make a slot machine of"),
    (lambda: slotify_(nn.Sequential(nn.Linear(3, 3)), options=2), r"0\.weight is parametrized already; give an"),
    (lambda: nn.Sequential(nn.LazyLinear(3)), r"0\.weight has no numbers yet; run the network once"),
    (lambda: nn.Sequential(nn.Linear(3, 3, device="meta")), r"0\.weight has no numbers yet"),
    (tied, r"0\.weight is tied to another weight; untie it"),
])  # fmt: skip
def test_networks_that_cannot_become_one_are_refused(build, message, path):
    saved(released_state({"0": (3, 3)}, 2), path)
    with pytest.raises(UserError, match=message):
        load_released_checkpoint_(build(), path)


def test_a_ticket_of_explicit_values_is_refused(path, tmp_path):
    network = load_released_checkpoint_(conv_network(), saved(conv_state(), path))
    with pytest.raises(UserError, match="a ticket holds slot machines of slotify_ only"):
        save_ticket(network, tmp_path / "ticket.safetensors")


# What the documentation says


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
