"""The file of a ticket, and what comes back from it.

Longer than others: what a ticket restores and what a forged one may not do share the helpers that make tickets.
"""

import copy
import hashlib
import json
import math
import pickle
import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load, load_file, save
from torch import nn

from conftest import BOTH, images, scramble, small_network
from slotmachines import UserError, bake_, build_network, load_ticket, save_ticket, selected_options, slotify_
from slotmachines.slots.convert import is_slot_machine
from slotmachines.slots.packing import pack_options, unpack_options
from slotmachines.slots.ticket import ticket_bytes


def slot_machine(options: int = 8, **more) -> nn.Module:
    network = scramble(slotify_(small_network(), options=options, **more))
    network(images())  # batch normalisation gathers statistics
    return network


def other_network() -> nn.Module:
    """One of the same shape in which every number is another."""
    network = small_network()
    with torch.no_grad():
        for tensor in network.state_dict().values():
            tensor.add_(1)
    return network


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ticket.safetensors"


def same(state, other) -> bool:
    """Whether two states have the same names, and tensors of the same precision and bits."""
    return state.keys() == other.keys() and all(
        tensor.dtype == other[name].dtype and tensor.shape == other[name].shape and torch.equal(tensor, other[name])
        for name, tensor in state.items()
    )


# What comes back


@BOTH
@pytest.mark.parametrize("options", [1, 2, 3, 8, 64, 1000])
@pytest.mark.parametrize("training", [False, True])
def test_a_loaded_ticket_is_the_baked_network_bit_by_bit(options, selection, training, path):
    network = slot_machine(options, selection=selection, seed=5).train(training)
    save_ticket(network, path)
    loaded = other_network()
    assert load_ticket(loaded, path) is loaded
    bake_(network)
    assert same(loaded.state_dict(), network.state_dict())
    assert torch.equal(loaded.eval()(images()), network.eval()(images()))


@pytest.mark.parametrize("settings", [
    {"filter_fn": lambda layer, name: name != "4"},
    {"sharing": "layer"},
    {"sharing": "network"},
    {"value_bound": 0.1, "score_range": 3.0},
    {"seed": -(2**40)},
    {"compiled": False},
])  # fmt: skip
def test_all_settings_come_back(settings, path):
    network = slot_machine(5, **settings)
    save_ticket(network, path)
    assert same(load_ticket(other_network(), path).state_dict(), bake_(network).state_dict())


@pytest.mark.parametrize("drawn", [torch.float32, torch.float64])
@pytest.mark.parametrize("used", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_any_precision_and_a_slot_machine_converted_after_it_was_made(drawn, used, path):
    network = scramble(slotify_(small_network().to(drawn), options=8)).to(used)
    save_ticket(network, path)
    assert same(load_ticket(other_network().to(used), path).state_dict(), bake_(network).state_dict())


@BOTH
def test_a_slot_machine_takes_a_ticket_of_another_one_and_becomes_ordinary(selection, path):
    network = slot_machine(8, seed=1)
    save_ticket(network, path)
    other = slotify_(other_network(), options=3, seed=2, selection=selection, filter_fn=lambda layer, name: name != "6")
    copied, parameters = copy.deepcopy(other), [other[0].parametrizations.weight.original, other[6].weight]
    assert load_ticket(other, path) is other and not is_slot_machine(other) and is_slot_machine(copied)
    assert same(other.state_dict(), bake_(network).state_dict())
    assert [other[0].weight, other[6].weight] == parameters and type(other[0]) is nn.Conv2d


def test_saving_leaves_the_slot_machine_as_it_was(path):
    network = slot_machine(8, selection="probabilistic")
    before, generator = copy.deepcopy(network.state_dict()), torch.get_rng_state()
    save_ticket(network, path)
    assert same(network.state_dict(), before) and network.training and torch.equal(torch.get_rng_state(), generator)


def test_a_loaded_ticket_can_be_finetuned_and_made_a_slot_machine_again(path):
    save_ticket(slot_machine(8), path)
    network = load_ticket(slotify_(small_network(), options=2), path)
    network(images()).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert list(selected_options(slotify_(network, options=2))) == ["0.weight", "4.weight", "6.weight"]


def test_a_part_of_a_network_keeps_the_random_numbers_of_its_name_there(path):
    network = slot_machine(8)
    save_ticket(network[4:], path)
    assert same(load_ticket(other_network()[4:], path).state_dict(), bake_(network)[4:].state_dict())


def test_a_single_layer_and_one_that_another_method_parametrizes(path):
    layer = slotify_(nn.Linear(5, 3), options=4)
    save_ticket(layer, path)
    assert same(load_ticket(nn.Linear(5, 3), path).state_dict(), bake_(layer).state_dict())

    def network():
        return nn.Sequential(nn.Linear(5, 3), nn.utils.parametrizations.weight_norm(nn.Linear(3, 2)))

    mixed = slotify_(network(), options=4, filter_fn=lambda layer, name: name == "0")
    save_ticket(mixed, path)
    assert same(load_ticket(network(), path).state_dict(), bake_(mixed).state_dict())


def test_tied_weights_that_the_filter_left_out(path):
    def tied() -> nn.Sequential:
        network = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3))
        network[2].weight = network[1].weight
        return network

    network = slotify_(tied(), options=4, filter_fn=lambda layer, name: name == "0")
    save_ticket(network, path)
    loaded = load_ticket(tied(), path)
    assert loaded[1].weight is loaded[2].weight and same(loaded.state_dict(), bake_(network).state_dict())


def test_other_state_comes_back_bit_by_bit(path):
    def network(*tensors) -> nn.Module:
        module = nn.Sequential(nn.Linear(3, 3))
        for number, tensor in enumerate(tensors):
            module.register_buffer(f"other{number}", tensor)
        return module

    other = (
        torch.tensor([math.nan, -0.0, math.inf, 1e-45]), torch.tensor(True), torch.tensor([], dtype=torch.int16),
        torch.tensor([0.1], dtype=torch.bfloat16), torch.tensor([1 + 2j]), torch.arange(6).view(2, 3).T,
    )  # fmt: skip
    save_ticket(slotify_(network(*other), options=4), path)
    loaded = load_ticket(network(*(torch.zeros_like(tensor) for tensor in other)), path)
    for number, tensor in enumerate(other):
        back = loaded.get_buffer(f"other{number}")
        assert back.dtype == tensor.dtype and repr(back.tolist()) == repr(tensor.tolist())


def test_memory_format_is_no_part_of_a_ticket(path, tmp_path):
    network = slot_machine(8)
    save_ticket(network, path)
    save_ticket(network.to(memory_format=torch.channels_last), tmp_path / "again")
    assert path.read_bytes() == (tmp_path / "again").read_bytes()
    loaded = load_ticket(other_network().to(memory_format=torch.channels_last), path)
    assert same(loaded.state_dict(), bake_(network).state_dict())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_same_bits_on_a_gpu(path, tmp_path):
    network = slot_machine(1000)
    save_ticket(network, path)
    save_ticket(network.cuda(), tmp_path / "again")
    assert path.read_bytes() == (tmp_path / "again").read_bytes()
    loaded = load_ticket(other_network().cuda(), path)
    assert loaded[0].weight.is_cuda and same(loaded.cpu().state_dict(), bake_(network.cpu()).state_dict())


# The file


@pytest.mark.parametrize("options", [1, 2, 3, 8, 64, 1000])
def test_size_is_the_bound_and_a_header(options, path):
    network = slotify_(build_network("lenet"), options=options)  # 266,200 connections and nothing else
    save_ticket(network, path)
    content = path.read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    bound = 266_200 * math.ceil(math.log2(options)) / 8
    assert bound <= len(content) - header <= 1.05 * bound and header < 2000


@pytest.mark.parametrize("options", [2**31, 2**32])
def test_as_many_options_as_slotify_takes_have_a_ticket(options, path):
    network = slotify_(nn.Sequential(nn.Linear(2, 1)), options=options)
    chosen = torch.tensor([[options - 1, 5]])
    path.write_bytes(ticket_bytes(network, {"0.weight": chosen}))
    pool = network[0].parametrizations.weight[0].pool
    loaded = load_ticket(nn.Sequential(nn.Linear(2, 1)), path)[0].weight
    assert torch.equal(loaded.flatten(), pool.values_of(chosen.flatten()))


def test_the_same_module_gives_the_same_bytes(path, tmp_path):
    save_ticket(slot_machine(), path)
    save_ticket(slot_machine(), tmp_path / "again")
    save_ticket(slot_machine(seed=1), tmp_path / "other seed")
    assert path.read_bytes() == (tmp_path / "again").read_bytes() != (tmp_path / "other seed").read_bytes()


@pytest.mark.parametrize("options", [1, 3, 8])
def test_the_file_is_what_the_documentation_says(options, path):
    network = slot_machine(options)
    save_ticket(network, path)
    tensors, weights = load_file(path), record_of(path.read_bytes())["weights"]
    assert tensors.keys() == small_network().state_dict().keys()
    bits = math.ceil(math.log2(options))
    for name, chosen in selected_options(network).items():
        stream = "".join(f"{byte:08b}"[::-1] for byte in tensors[name].tolist())
        read = [int(f"0{stream[c * bits : (c + 1) * bits][::-1]}", 2) for c in range(chosen.numel())]
        assert read == chosen.flatten().tolist() and "1" not in stream[chosen.numel() * bits :]
        assert weights[name]["shape"] == list(chosen.shape) and weights[name]["options"] == options
        assert len(tensors[name]) == math.ceil(chosen.numel() * bits / 8)


TINY = (
    b'8\x03\x00\x00\x00\x00\x00\x00'
    b'{"__metadata__":{"ticket":"{\\"blake2b\\":\\"feaca57555e93a3ae1b7d39f51b65b59471253f1af5f9b6ae6d52fe32feb9e05\\",'
    b'\\"format\\":1,\\"weights\\":{\\"0.weight\\":{\\"shape\\":[2,3],\\"dtype\\":\\"float32\\",\\"seed\\":7,'
    b'\\"name\\":\\"0.weight\\",\\"options\\":6,\\"value_bound\\":\\"0x1.0000000000000p-1\\",'
    b'\\"score_bound\\":\\"0x1.0000000000000p-1\\",\\"precision\\":\\"float32\\",\\"sharing\\":\\"none\\"}}}"},'
    b'"1.num_batches_tracked":{"dtype":"I64","shape":[],"data_offsets":[0,8]},"0.bias":{"dtype":"F32",'
    b'"shape":[2],"data_offsets":[8,16]},"1.bias":{"dtype":"F32","shape":[2],"data_offsets":[16,24]},'
    b'"1.running_mean":{"dtype":"F32","shape":[2],"data_offsets":[24,32]},"1.running_var":{"dtype":"F32",'
    b'"shape":[2],"data_offsets":[32,40]},"1.weight":{"dtype":"F32","shape":[2],"data_offsets":[40,48]},'
    b'"0.weight":{"dtype":"U8","shape":[3],"data_offsets":[48,51]}}       '
    b'\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00>\x00\x00@\xc0\x00\x00\x00\x00\x00\x00\x00\x00'
    b'\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80?\x00\x00\x80?\x00\x00\x80?\x00\x00\x80?'
    b'I\xab\x02'
)  # fmt: skip


def tiny() -> nn.Module:
    """A slot machine whose every number is written out."""
    network = slotify_(nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)), options=6, seed=7, value_bound=0.5)
    with torch.no_grad():
        network[0].parametrizations.weight.original.copy_(torch.tensor([[-2, -0.5, 0], [0.25, 1, 4]]))
        network[0].bias.copy_(torch.tensor([0.125, -3]))
    return network


def test_tickets_stay_readable(path):
    path.write_bytes(TINY)
    network = load_ticket(nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)), path)
    assert [[number.hex() for number in row] for row in network[0].weight.tolist()] == [
        ["-0x1.f5551c0000000p-2", "-0x1.a655280000000p-2", "-0x1.ba1e080000000p-2"],
        ["0x1.59d0080000000p-2", "0x1.3018f40000000p-2", "0x1.04c3000000000p-2"],
    ]
    assert network[0].bias.tolist() == [0.125, -3]


def test_tickets_are_written_as_ever(path):
    save_ticket(tiny(), path)
    assert path.read_bytes() == TINY


@given(st.data())
def test_packing_is_undone_and_takes_the_least_bytes(data):
    count = data.draw(st.integers(1, 70_000) | st.sampled_from([2, 3, 4, 255, 256, 257, 65_536]))
    options = np.array(data.draw(st.lists(st.integers(0, count - 1), max_size=50)), np.int64)
    packed = pack_options(options, count)
    assert packed.dtype == np.uint8 and len(packed) == math.ceil(len(options) * math.ceil(math.log2(count)) / 8)
    assert np.array_equal(unpack_options(packed, len(options), count), options)


@pytest.mark.parametrize("count", [1, 3, 1000, 65_536])
def test_packing_many_connections(count):
    options = np.random.default_rng(0).integers(0, count, 200_003)
    packed = pack_options(options, count)
    assert np.array_equal(unpack_options(packed, len(options), count), options)
    assert np.array_equal(packed[:1000], pack_options(options[:8000], count)[:1000])


# What is refused


def record_of(content: bytes) -> dict:
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return json.loads(header["__metadata__"]["ticket"])


def forged(content: bytes, change) -> bytes:
    """A ticket in which `change(record, tensors)` was made, with the checksum that the documentation asks for."""
    record, tensors = record_of(content), load(content)
    change(record, tensors)
    record["blake2b"] = "0" * 64
    changed = save(tensors, metadata={"ticket": json.dumps(record, separators=(",", ":"))})
    checksum = hashlib.blake2b(changed, digest_size=32).hexdigest()
    return changed.replace(b"0" * 64, checksum.encode(), 1)


def refused(module: nn.Module, path) -> str:
    """The one line that loading ends with, after making sure that the module is as it was."""
    before, layers = copy.deepcopy(module.state_dict()), [type(layer) for layer in module.modules()]
    with pytest.raises(UserError) as caught:
        load_ticket(module, path)
    assert same(module.state_dict(), before) and [type(layer) for layer in module.modules()] == layers
    assert "\n" not in str(caught.value)
    return str(caught.value)


TARGETS = pytest.mark.parametrize(
    "target", [other_network, lambda: slotify_(other_network(), options=3)], ids=["ordinary", "slot machine"]
)


def test_a_forgery_without_a_change_is_accepted(path):
    """So that the tests below refuse what was changed, and not the way it was done."""
    save_ticket(slot_machine(), path)
    content = path.read_bytes()
    assert forged(content, lambda record, tensors: None) == content


@TARGETS
def test_files_that_are_no_tickets(target, path, tmp_path):
    missing = refused(target(), path)
    assert missing == f"cannot read {path}: No such file or directory; give a file that save_ticket wrote"
    assert "Is a directory" in refused(target(), tmp_path)
    for content in (b"", b"\0" * 100, save(small_network().state_dict()), save({}, metadata={"ticket": "{}"})):
        path.write_bytes(content)
        assert "is no ticket" in refused(target(), path)


@TARGETS
def test_nothing_is_unpickled(target, path, tmp_path):
    class Trap:
        def __reduce__(self):
            return (tmp_path.joinpath("sprung").touch, ())

    for write in (lambda trap: path.write_bytes(pickle.dumps(trap)), lambda trap: torch.save(trap, path)):
        write(Trap())
        assert "is no ticket" in refused(target(), path)
    assert not (tmp_path / "sprung").exists()
    pickle.loads(pickle.dumps(Trap()))
    assert (tmp_path / "sprung").exists()


WRONG_RECORDS = {
    "later format": (lambda record, _: record.update(format=2), "format 2, this version reads 1; install a newer"),
    "no weights": (lambda record, _: record.pop("weights"), "was not written by save_ticket"),
    "no seed": (lambda record, _: record["weights"]["4.weight"].pop("seed"), "was not written by save_ticket"),
    "sharing": (lambda record, _: record["weights"]["4.weight"].update(sharing="x"), "was not written by save_ticket"),
    "precision": (lambda record, _: record["weights"]["4.weight"].update(precision="int8"), "was not written by"),
    "an option beyond": (
        lambda record, _: record["weights"]["4.weight"].update(options=5),
        "selects options of 4.weight that there are not",
    ),
    "too few bits": (lambda record, _: record["weights"]["4.weight"].update(options=9), "selects options of 4.weight"),
    "a byte more": (
        lambda _, tensors: tensors.update({"4.weight": torch.zeros(193, dtype=torch.uint8)}),
        "selects options of 4.weight",
    ),
    "no bytes": (lambda _, tensors: tensors.update({"4.weight": torch.zeros(192)}), "selects options of 4.weight"),
    "no bias": (lambda _, tensors: tensors.pop("4.bias"), "the ticket has no 4.bias"),
    "one more": (lambda _, tensors: tensors.update(extra=torch.zeros(1)), "this network has no extra"),
    "no record of a weight": (lambda record, _: record["weights"].pop("4.weight"), "4.weight is (192,) there"),
}  # fmt: skip


@TARGETS
@pytest.mark.parametrize("wrong", WRONG_RECORDS)
def test_well_made_files_with_wrong_content(target, wrong, path):
    change, message = WRONG_RECORDS[wrong]
    save_ticket(slot_machine(8), path)
    path.write_bytes(forged(path.read_bytes(), change))
    assert message in refused(target(), path)


def without_bias(network):
    network[4] = nn.Linear(64, 8, bias=False)


def another_shape(network):
    network[6] = nn.Linear(8, 4)


def transposed(network):
    network[4].weight = nn.Parameter(network[4].weight.detach().reshape(64, 8))


WRONG_NETWORKS = {
    "lacks a bias": (without_bias, "this network has no 4.bias; build the network that was trained"),
    "one layer more": (lambda network: network.append(nn.Linear(3, 3)), "the ticket has no 7.weight, 7.bias; build"),
    "another shape": (another_shape, "6.weight is (3, 8) there, and (4, 8) here"),
    "as many numbers": (transposed, "4.weight is (8, 64) there, and (64, 8) here"),
    "all in float64": (lambda network: network.double(), "in float32, the network in float64; convert the network by"),
    "one in float64": (lambda network: network[1].double(), "holds 1.weight in float32, the network in float64"),
    "on no device": (lambda network: network.to("meta"), "off the meta device"),
    "lazy": (lambda network: network.append(nn.LazyLinear(3)), "run the network once if it is lazy"),
    "parametrized": (lambda network: nn.utils.parametrizations.weight_norm(network[4]), "this network has no 4.weight"),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG_NETWORKS)
def test_networks_that_a_ticket_does_not_fit(wrong, path):
    change, message = WRONG_NETWORKS[wrong]
    save_ticket(slot_machine(8), path)
    network = other_network()
    change(network)

    def held():  # a changed tensor has a higher version; some of these have no numbers to compare
        return [(name, id(value), value._version) for name, value in network.state_dict(keep_vars=True).items()]

    before = held()
    with pytest.raises(UserError, match=re.escape(message)) as caught:
        load_ticket(network, path)
    assert held() == before and "\n" not in str(caught.value)


def test_slot_machines_that_a_ticket_does_not_fit_stay_slot_machines(path):
    save_ticket(slot_machine(8), path)
    network = slotify_(small_network().double(), options=3)
    assert "in float32, the network in float64" in refused(network, path) and is_slot_machine(network)


def test_a_network_that_ties_what_differs_in_the_ticket(path):
    network = slotify_(nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3)), options=4)
    save_ticket(network, path)
    tied = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    tied[1].weight = tied[0].weight
    assert "0.weight and 1.weight are one weight in this network and two in" in refused(tied, path)


SMALLEST = slotify_(nn.Linear(4, 3), options=6)


@pytest.fixture(scope="module")
def intact(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("intact") / "ticket"
    save_ticket(SMALLEST, path)
    return path.read_bytes()


@given(st.data())
def test_a_changed_byte_is_refused(intact, tmp_path_factory, data):
    content = bytearray(intact)
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    damaged = tmp_path_factory.getbasetemp() / "changed"
    damaged.write_bytes(content)
    refused(nn.Linear(4, 3), damaged)


@given(st.data())
def test_a_file_that_is_cut_or_longer_is_refused(intact, tmp_path_factory, data):
    damaged = tmp_path_factory.getbasetemp() / "cut"
    cut = intact[: data.draw(st.integers(0, len(intact) - 1))]
    damaged.write_bytes(data.draw(st.sampled_from([cut, intact + b"\0", intact + cut])) if cut else cut)
    refused(nn.Linear(4, 3), damaged)


def test_only_a_slot_machine_of_tensors_has_a_ticket(path):
    with pytest.raises(UserError, match="this module is no slot machine and has no ticket; call slotify_"):
        save_ticket(small_network(), path)

    class Odd(nn.Module):
        def get_extra_state(self):
            return "text"

    with pytest.raises(UserError, match="_extra_state is no tensor with numbers in it"):
        save_ticket(nn.Sequential(slot_machine(), Odd()), path)
    assert not path.exists()


def test_a_ticket_that_cannot_be_written_leaves_nothing_behind(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(UserError, match="cannot write"):
        save_ticket(slot_machine(), tmp_path / "taken")
    assert [place.name for place in tmp_path.iterdir()] == ["taken"] and not list((tmp_path / "taken").iterdir())


def test_a_layer_that_was_put_in_two_places(tmp_path):
    network = slotify_(nn.Sequential(nn.Linear(5, 5), nn.Linear(5, 5)), options=4)
    network[1] = network[0]
    save_ticket(network, tmp_path / "tied")
    other = nn.Sequential(nn.Linear(5, 5), nn.Linear(5, 5))
    other[1] = other[0]
    load_ticket(other, tmp_path / "tied")
    assert torch.equal(other[1].weight, bake_(network)[0].weight)
