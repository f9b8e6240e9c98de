"""What `inspect_ticket` says about a ticket, and how it is printed."""

import json

import pytest
import torch
from safetensors.torch import save
from torch import nn

from conftest import scramble, small_network
from slotmachines import UserError, inspect_ticket, save_ticket, selected_options, slotify_
from slotmachines.slots import ticket
from slotmachines.slots.ticket_contents import bars


@pytest.fixture
def saved(tmp_path):
    """Of a small network in which one layer is left out, with the options that it uses."""
    network = slotify_(small_network(), options=5, seed=3, filter_fn=lambda layer, name: name != "6")
    scramble(network)
    save_ticket(network, tmp_path / "a.ticket.safetensors")
    return tmp_path / "a.ticket.safetensors", selected_options(network)


def test_layers_options_and_their_histogram_are_those_of_the_network(saved):
    path, options = saved
    rows = {row.name: row for row in inspect_ticket(path).rows}
    for name, option in options.items():
        row = rows[name]
        assert row.shape == tuple(option.shape) and row.options == 5 and row.bits == 3 * option.numel()
        assert list(row.histogram) == option.flatten().bincount(minlength=5).tolist()
        assert row.used == option.unique().numel() and row.seed == 3 and row.dtype == "float32"
    assert rows["6.weight"].options is None and rows["6.weight"].bits == 32 * 24
    assert rows["1.num_batches_tracked"].bits == 64


def test_every_tensor_of_the_network_is_listed_and_the_sizes_are_those_of_files(saved):
    path, options = saved
    contents = inspect_ticket(path)
    assert contents.file_bytes == path.stat().st_size
    assert contents.connections == sum(option.numel() for option in options.values())
    expected = set(small_network().state_dict())
    assert {row.name for row in contents.rows} == expected
    assert contents.float32_bytes == sum(tensor.nbytes for tensor in small_network().state_dict().values())


def test_half_precision_is_compared_with_float32(tmp_path):
    network = slotify_(nn.Linear(30, 20), options=2).to(torch.bfloat16)
    save_ticket(network, tmp_path / "b")
    assert inspect_ticket(tmp_path / "b").float32_bytes == 4 * (600 + 20)


def test_it_is_json_and_a_table(saved):
    path, options = saved
    contents = inspect_ticket(path)
    data = json.loads(json.dumps(contents.as_dict()))
    assert [row["name"] for row in data["tensors"][:2]] == list(options)
    text = str(contents)
    assert all(row.name in text for row in contents.rows) and f"{contents.file_bytes:,} bytes" in text


def test_so_many_options_that_a_histogram_would_be_larger_than_the_ticket(tmp_path):
    save_ticket(slotify_(nn.Linear(4, 3, bias=False), options=10**5, compiled=False), tmp_path / "many")
    (row,) = inspect_ticket(tmp_path / "many").rows
    assert row.histogram == () and 1 <= row.used <= 12
    assert "100000" in str(inspect_ticket(tmp_path / "many"))


@pytest.mark.parametrize("content", [b"", b"{}", b"\0" * 100])
def test_what_is_no_ticket_is_refused(content, tmp_path):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(UserError, match="no ticket"):
        inspect_ticket(tmp_path / "x")
    with pytest.raises(UserError, match="cannot read"):
        inspect_ticket(tmp_path / "none")


@pytest.mark.parametrize("shape", [[10**9, 10**6], [0, 3], ["a"], [-1, -2], [2.5]])
def test_a_made_up_shape_takes_no_memory_and_no_traceback(shape, tmp_path):
    layer = slotify_(nn.Linear(4, 3, bias=False), options=1)
    described = ticket._described(next(iter(ticket._slot_machines(layer))).selector.pool, torch.zeros(3, 4))
    record = {"blake2b": ticket._NO_CHECKSUM.decode(), "format": 1, "weights": {"weight": described | {"shape": shape}}}
    text = json.dumps(record, separators=(",", ":"))
    content = save({"weight": torch.zeros(0, dtype=torch.uint8)}, metadata={"ticket": text})
    before, after = content.split(ticket._NO_CHECKSUM, 1)
    (tmp_path / "t").write_bytes(before + ticket._checksum(before, after) + after)
    try:
        assert "weight" in str(inspect_ticket(tmp_path / "t"))
    except UserError as error:
        assert "save_ticket" in str(error)


def test_bars_start_at_zero_and_groups_are_added_up():
    assert bars((8, 4, 0)) == "█▅▁"
    assert bars((1,)) == "█" and bars((0, 0)) == "▁▁"
    assert len(bars((1,) * 1000)) == 16
