"""Files that are not of the authors' layout, or do not fit, are refused; the network stays as it was."""

import copy
import pickle
from pathlib import Path

import pytest
import torch
from torch import nn

from released_files import conv_network, conv_state, released_state, saved
from slotmachines import (
    UserError,
    load_released_checkpoint_,
    save_ticket,
    slotify_,
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "init_weights_8.pt"


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
