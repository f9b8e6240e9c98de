"""Tickets and states that do not fit are refused before any of them is loaded."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from conftest import assert_same, images, small_network
from slotmachines import (
    EdgePopup,
    Pruning,
    UserError,
    bake_,
    load_ticket,
    mask_,
    option_table,
    save_ticket,
    selected_options,
    slotify_,
)
from slotmachines.rivals.lottery_ticket import LotteryTicket


def mixed() -> nn.Sequential:
    network = slotify_(small_network(), options=4, filter_fn=lambda _, name: name == "4")
    return mask_(network, "edge_popup", filter_fn=lambda _, name: name == "0")


def test_a_ticket_holds_no_masks(tmp_path):
    network, path = mixed(), tmp_path / "ticket"
    with pytest.raises(UserError, match=r"^0\.weight is selected by ScoredMask, and a ticket holds slot machines"):
        save_ticket(network, path)
    assert not path.exists()
    save_ticket(slotify_(small_network(), options=4), path)
    before = copy.deepcopy(network.state_dict())
    for other in (network, mask_(small_network(), "edge_popup")):
        with pytest.raises(UserError, match=r"^0\.weight is selected by ScoredMask, and a ticket holds slot machines"):
            load_ticket(other, path)
    assert_same(before, network.state_dict())
    assert list(selected_options(network)) == ["0.weight", "4.weight"]
    network.eval()
    assert torch.equal(bake_(copy.deepcopy(network))(images()), network(images()))


def test_a_ticket_is_loaded_completely_or_not_at_all(tmp_path):
    def network(**more) -> nn.Module:
        module = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
        module.register_buffer("scale", torch.ones(4))
        return slotify_(module, options=4, **more)

    save_ticket(network(seed=1), tmp_path / "ticket")
    on_top = network()
    parametrize.register_parametrization(on_top[1], "weight", nn.ReLU(), unsafe=True)
    expanded = network()
    expanded.scale = torch.ones(1).expand(4)
    with torch.inference_mode():
        inference = torch.ones(4)
    for module, scale, message in (
        (on_top, None, r"^1\.weight has another parametrization on top"),
        (network(), torch.ones(1).expand(4), "^scale cannot be written to"),
        (network(), inference, "^scale cannot be written to"),
    ):
        if scale is not None:
            module.scale = scale
        before = copy.deepcopy(module.state_dict())
        with pytest.raises(UserError, match=message):
            load_ticket(module, tmp_path / "ticket")
        assert_same(before, module.state_dict())
        assert list(selected_options(module)) == ["0.weight", "1.weight"]


def test_after_masks_no_error_asks_for_slotify():
    network = mask_(nn.Linear(3, 3), "edge_popup")
    with pytest.raises(ValueError, match="no slot machine: weight is selected by ScoredMask"):
        option_table(network)
    with pytest.raises(RuntimeError, match="call bake_ first"):
        network.weight = nn.Parameter(torch.zeros(3, 3))


# States


def shifted(network: nn.Module) -> nn.Module:
    with torch.no_grad():
        for tensor in network.parameters():
            tensor.add_(1)
    return network


@pytest.mark.parametrize(
    ("saved", "other", "message"),
    [
        (EdgePopup(keep=0.3), EdgePopup(keep=0.7), "another keep: call mask_ with the rule and settings"),
        (EdgePopup(), Pruning(), "another rule"),
        (Pruning(penalty=1.0), "free_pruning", "another penalty"),
        ("lottery_ticket", LotteryTicket(round_epochs=3), "another round_epochs"),
    ],
)
def test_the_state_of_another_mask_is_refused_before_any_of_it_is_loaded(saved, other, message):
    state = shifted(mask_(small_network(), saved)).state_dict()
    network = mask_(small_network(), other)
    before = copy.deepcopy(network.state_dict())
    with pytest.raises(RuntimeError, match=f"this state belongs to a mask with .*{message}"):
        network.load_state_dict(state)
    assert_same(before, network.state_dict())
    same = mask_(small_network(), saved, seed=9)
    same.load_state_dict(state)
    assert_same(state, same.state_dict())


def test_the_state_of_another_slot_machine_is_refused_before_any_of_it_is_loaded():
    def last(**settings) -> nn.Module:
        return slotify_(small_network(), filter_fn=lambda _, name: name == "6", **settings)

    state = shifted(last(options=4)).state_dict()
    for network in (last(options=5), last(options=4, seed=1)):
        whole = nn.ModuleDict({"inner": network})
        before = copy.deepcopy(network.state_dict())
        with pytest.raises(RuntimeError, match="another"):
            network.load_state_dict(state)
        with pytest.raises(RuntimeError, match="another"):
            whole.load_state_dict({f"inner.{name}": value for name, value in state.items()})
        assert_same(before, network.state_dict())


def test_a_state_of_masks_from_before_it_named_its_rule_is_loaded():
    network = shifted(mask_(small_network(), EdgePopup(keep=0.3)))
    state = {name: value for name, value in network.state_dict().items() if not name.endswith("_extra_state")}
    other = mask_(small_network(), EdgePopup(keep=0.3))
    other.load_state_dict(state)
    assert_same(network.state_dict(), other.state_dict())


# Assignment
