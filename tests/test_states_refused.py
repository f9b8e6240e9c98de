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


def slots(network: nn.Module) -> nn.Module:
    return slotify_(network, options=4)


def popup(network: nn.Module) -> nn.Module:
    return mask_(network, "edge_popup")


def shifted(network: nn.Module) -> nn.Module:
    with torch.no_grad():
        for tensor in network.parameters():
            tensor.add_(1)
    return network


@pytest.mark.parametrize(
    ("saved", "other", "message"),
    [
        (EdgePopup(keep=0.3), EdgePopup(keep=0.7), r"keep=0\.3 \(here 0\.7\): call mask_ with the rule and settings"),
        (EdgePopup(), Pruning(), r"rule=EdgePopup \(here Pruning\)"),
        (Pruning(penalty=1.0), "free_pruning", r"penalty=1\.0 \(here 0\.0\)"),
        ("lottery_ticket", LotteryTicket(round_epochs=3), r"round_epochs=10 \(here 3\)"),
    ],
)
def test_the_state_of_another_mask_is_refused_before_any_of_it_is_loaded(saved, other, message):
    state = shifted(mask_(small_network(), saved)).state_dict()
    network = mask_(small_network(), other)
    before = copy.deepcopy(network.state_dict())
    with pytest.raises(RuntimeError, match=f"this state belongs to a mask with other settings, .*{message}"):
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
        with pytest.raises(RuntimeError, match="other settings"):
            network.load_state_dict(state)
        with pytest.raises(RuntimeError, match="other settings"):
            whole.load_state_dict({f"inner.{name}": value for name, value in state.items()})
        assert_same(before, network.state_dict())


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(
    ("saved", "other", "message"),
    [
        (slots, popup, "belongs to a slot machine: call slotify_ instead of mask_, .* then load it"),
        (popup, slots, "belongs to a mask, EdgePopup: call mask_ instead of slotify_, .* then load it"),
        (
            lambda network: network,
            slots,
            r"holds 0\.weight as an ordinary weight, .*: load it before slotify_ .* bake_",
        ),
        (
            lambda network: network,
            popup,
            r"holds 0\.weight as an ordinary weight, .*: load it before slotify_ .* bake_",
        ),
    ],
)
def test_the_state_of_something_else_is_refused_with_the_reason_and_the_way_out(saved, other, message, strict):
    state = shifted(saved(small_network())).state_dict()
    network = other(small_network())
    whole = nn.ModuleDict({"inner": network})
    before = copy.deepcopy(network.state_dict())
    with pytest.raises(RuntimeError, match=message):
        network.load_state_dict(state, strict=strict)
    with pytest.raises(RuntimeError, match=message.replace("0\\.", "inner\\.0\\.")):
        whole.load_state_dict({f"inner.{name}": value for name, value in state.items()}, strict=strict)
    assert_same(before, network.state_dict())


@pytest.mark.parametrize(
    "settings",
    [
        torch.zeros(4, dtype=torch.int64),
        torch.zeros(4, dtype=torch.uint8),
        torch.tensor(10**12),
        torch.tensor(list(b"[1]"), dtype=torch.uint8),
        [1, 2],
        7,
    ],
    ids=repr,
)
def test_settings_that_nothing_of_this_version_wrote_are_refused_in_one_line(settings):
    for convert in (slots, popup):
        network = convert(nn.Linear(3, 3))
        state = {**network.state_dict(), "parametrizations.weight.0._extra_state": settings}
        with pytest.raises(RuntimeError, match=r"another version of slotmachines: load|instead of mask_"):
            network.load_state_dict(state)


def test_a_state_of_other_parameters_alone_is_loaded():
    network, other = slots(small_network()), slots(shifted(small_network()))
    biases = {name: value for name, value in other.state_dict().items() if name.endswith("bias")}
    network.load_state_dict(biases, strict=False)
    assert torch.equal(network[6].bias, other[6].bias)


def test_a_ticket_of_a_wrapped_network_and_a_wrapped_network_are_named(tmp_path):
    path = tmp_path / "ticket"
    save_ticket(nn.DataParallel(slots(small_network())), path)
    with pytest.raises(UserError, match=r"begin with 'module\.': load the ticket into nn\.ModuleDict") as raised:
        load_ticket(small_network(), path)
    assert "another network" not in str(raised.value)
    network = small_network()
    load_ticket(nn.ModuleDict({"module": network}), path)
    assert_same(bake_(slots(small_network())).state_dict(), network.state_dict())
    save_ticket(slots(small_network()), path)
    for wrapped, inner in ((nn.DataParallel(small_network()), "module"), (torch.compile(small_network()), "_orig_mod")):
        with pytest.raises(UserError, match=rf"this network is wrapped, .*: load the ticket into network\.{inner}"):
            load_ticket(wrapped, path)
        load_ticket(getattr(wrapped, inner), path)


def test_a_state_of_masks_from_before_it_named_its_rule_is_loaded():
    network = shifted(mask_(small_network(), EdgePopup(keep=0.3)))
    state = {name: value for name, value in network.state_dict().items() if not name.endswith("_extra_state")}
    other = mask_(small_network(), EdgePopup(keep=0.3))
    other.load_state_dict(state)
    assert_same(network.state_dict(), other.state_dict())


# Assignment
