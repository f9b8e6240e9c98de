"""The summary of a network: what is selected, trained, refused and frozen, as data and as text."""

import json
from collections import OrderedDict

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from conftest import small_network
from slotmachines import build_network, mask_, slotify_, summary
from slotmachines.slots.dense import dense_slotify_


class Experts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gate_up_proj = nn.Parameter(torch.zeros(2, 6, 4))
        self.register_buffer("counts", torch.zeros(2, 6))


def network() -> nn.Sequential:
    layers = OrderedDict(
        words=nn.Embedding(7, 4), frozen=nn.Linear(4, 4).requires_grad_(False), hidden=nn.Linear(4, 4),
        norm=nn.LayerNorm(4), experts=Experts(), last=nn.Linear(4, 7, bias=False), again=nn.Linear(4, 7, bias=False),
    )  # fmt: skip
    layers["again"].weight = layers["last"].weight
    return nn.Sequential(layers)


STATES = {
    "words.weight": "trained",
    "frozen.weight": "frozen",
    "frozen.bias": "frozen",
    "hidden.weight": "selectable",
    "hidden.bias": "trained",
    "norm.weight": "trained",
    "norm.bias": "trained",
    "experts.gate_up_proj": "refused",
    "last.weight": "selectable",
}


def test_before_and_after_some_weights_are_selected():
    found = summary(network())
    assert {row.name: row.state for row in found.rows} == STATES
    rows = {row.name: row for row in found.rows}
    assert rows["last.weight"].also == ("again.weight",) and rows["last.weight"].shape == (7, 4)
    assert "register_layer" in rows["experts.gate_up_proj"].reason
    assert rows["words.weight"].reason == "selected by embeddings=True"
    assert (found.count("frozen"), found.count("refused"), found.count("selectable")) == (20, 48, 16 + 28)
    assert found.count("selected") == found.bits == 0

    converted = slotify_(network(), options=5, filter_fn=lambda layer, name: name not in ("experts", "hidden"))
    # Of a tied weight, too: both layers were chosen.
    after = summary(converted)
    assert {row.name: row.state for row in after.rows} == {**STATES, "last.weight": "selected"}
    last = {row.name: row for row in after.rows}["last.weight"]
    assert (last.also, last.layer, last.options, last.bits) == (("again.weight",), "Linear", 5, 28 * 3)
    assert after.bits == 84 and after.count("selected") == 28
    assert sum(row.size for row in after.rows) == sum(p.numel() for p in network().parameters())


def test_as_text_and_as_data():
    found = summary(slotify_(network(), options=5, filter_fn=lambda layer, name: name != "experts"))
    header, *lines, totals = str(found).splitlines()
    assert header.split() == ["name", "layer", "shape", "state", "options", "bits"] and len(lines) == len(STATES)
    (line,) = [line for line in lines if line.startswith("last.weight = again.weight")]
    assert line.split()[3:8] == ["Linear", "7x4", "selected", "5", "84"]
    assert "value_bound" in line and "sharing='none'" in line
    for part in ("152 parameters: 44 selected (28.9%)", "132 bits", "48 are refused", "20 frozen"):
        assert part in totals
    rows = json.loads(json.dumps(found.as_dicts()))
    assert rows[0]["name"] == "words.weight" and rows[0]["bits"] is None


@pytest.mark.parametrize(("rule", "bits"), [("edge_popup", 804), ("lottery_ticket", 804 * 33)])
def test_masks_take_a_bit_for_each_connection_and_a_lottery_ticket_its_weights(rule, bits):
    found = summary(mask_(small_network(), rule))
    assert found.count("selected") == 36 + 512 + 24 == 572
    assert found.bits == 572 * bits // 804
    assert {row.options for row in found.rows if row.state == "selected"} == {2}


def test_every_kind_of_network_has_a_summary():
    found = summary(slotify_(build_network("conv2"), options=8))
    assert {row.state for row in found.rows} == {"selected"} and found.bits == 3 * found.count("selected")
    assert summary(dense_slotify_(nn.Linear(3, 3), options=4)).bits == 18
    normed = nn.Sequential(nn.LazyLinear(3), parametrizations.weight_norm(nn.Linear(3, 3)))
    states = {row.name: row.state for row in summary(normed).rows}
    assert states["0.weight"] == "refused" and states["1.parametrizations.weight.original1"] == "refused"
    assert summary(nn.ReLU()).rows == () and "0 parameters" in str(summary(nn.ReLU()))
    (row,) = [row for row in summary(nn.Linear(3, 3)).rows if row.state == "selectable"]
    assert row.name == "weight"
