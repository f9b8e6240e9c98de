"""What is wrong is said in one line, and the network stays as it was."""

import copy
import math
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from conftest import assert_same, images, small_network
from slotmachines import (
    EdgePopup,
    UserError,
    bake_,
    begin_epoch_,
    change_penalty,
    mask_,
    selected_options,
    slotify_,
    summary,
)
from slotmachines.rivals.mask import ScoreRule
from slotmachines.selectable import weight_selectors


@pytest.fixture
def unchanged():
    """A network, of which is checked that it is as it was."""
    network = small_network()
    before, hooks = copy.deepcopy(network.state_dict()), len(network._forward_pre_hooks)
    yield network
    assert_same(before, network.state_dict())
    assert not list(weight_selectors(network)) and len(network._forward_pre_hooks) == hooks


# Arguments of a wrong type, or out of range


WRONG = [
    (TypeError, {"options": "8"}, "the number of options must be an integer, not '8'"),
    (TypeError, {"options": True}, "the number of options must be an integer, not True"),
    (TypeError, {"options": None}, "the number of options must be an integer, not None"),
    (TypeError, {"value_bound": None}, "the value bound, unless it is a name, must be a number, not None"),
    (TypeError, {"value_bound": lambda layer: [1]}, r"value bound, unless it is a name, must be a number, not \[1\]"),
    (TypeError, {"score_range": "1"}, "the score range must be a number, not '1'"),
    (TypeError, {"score_range": None}, "the score range must be a number, not None"),
    (ValueError, {"sharing": None}, "unknown sharing None: use one of none, layer, network"),
]  # fmt: skip


@pytest.mark.parametrize(("error", "settings", "message"), WRONG)
def test_wrong_settings_of_slot_machines(error, settings, message, unchanged):
    with pytest.raises(error, match=message):
        slotify_(unchanged, **{"options": 2, **settings})


BOTH = [
    (TypeError, {"seed": True}, "the seed must be an integer, not True"),
    (TypeError, {"seed": 1.0}, r"the seed must be an integer, not 1\.0"),
    (TypeError, {"seed": "a"}, "the seed must be an integer, not 'a'"),
    (ValueError, {"seed": 2**70}, "the seed must be a whole number of 64 bits with a sign, not 1180591620717411303424"),
    (TypeError, {"filter_fn": "0"}, "filter_fn must be a function of a layer and its name, not '0'"),
]


@pytest.mark.parametrize(("make", "settings"), [(slotify_, {"options": 2}), (mask_, {"rule": "edge_popup"})])
@pytest.mark.parametrize(("error", "changed", "message"), BOTH)
def test_wrong_settings_of_both(make, settings, error, changed, message, unchanged):
    with pytest.raises(error, match=message):
        make(unchanged, **settings, **changed)


@pytest.mark.parametrize(
    ("error", "settings", "message"),
    [
        (ValueError, {"positive_share": 0.9}, "positive_share is of weights that are drawn; name their distribution"),
        (ValueError, {"positive_share": 1.5, "weights": "binary"}, r"lies between 0 and 1, not at 1\.5"),
        (ValueError, {"positive_share": math.nan, "weights": "binary"}, "lies between 0 and 1, not at nan"),
        (
            TypeError,
            {"positive_share": "1", "weights": "binary"},
            "share of positive weights must be a number, not '1'",
        ),
        (ValueError, {"weights": "normal"}, "unknown distribution 'normal'"),
        (UserError, {"rule": EdgePopup}, "unknown rule .*EdgePopup.*: use one of .*, or a slotmachines.Rule"),
    ],
)
def test_wrong_settings_of_masks(error, settings, message, unchanged):
    with pytest.raises(error, match=message):
        mask_(unchanged, **{"rule": "edge_popup", **settings})


class BadRule(ScoreRule):
    """One whose author made a mistake."""

    def initial_scores(self, uniform, fan_in):
        raise ZeroDivisionError

    def keeps(self, scores):
        return scores > 0


def test_a_rule_that_fails_leaves_the_network_as_it_was(unchanged):
    with pytest.raises(ZeroDivisionError):
        mask_(unchanged, BadRule(), weights="binary")


def test_an_integer_of_numpy_is_the_same_seed():
    one, other = (mask_(nn.Linear(3, 3), "edge_popup", weights="binary", seed=seed) for seed in (1, np.int64(1)))
    assert torch.equal(one.parametrizations.weight.original, other.parametrizations.weight.original)
    assert torch.equal(one.weight, other.weight)


@pytest.mark.parametrize("call", [
    lambda: slotify_(None, options=2), lambda: mask_(None, "supermask"), lambda: bake_(None),
    lambda: selected_options(None), lambda: summary(None),
])  # fmt: skip
def test_what_is_no_module(call):
    with pytest.raises(TypeError, match=r"a network is a torch\.nn\.Module, not NoneType"):
        call()


def empty() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of PyTorch, which cannot draw initial weights
        return nn.Linear(0, 0)


def sparse() -> nn.Module:
    layer = nn.Linear(2, 2)
    layer.weight = nn.Parameter(torch.eye(2).to_sparse())
    return layer


def quantised() -> nn.Module:
    layer = nn.Linear(2, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        layer.weight = nn.Parameter(torch.quantize_per_tensor(torch.eye(2), 0.1, 0, torch.qint8), requires_grad=False)
    return layer


WEIGHTS = {
    "empty": (empty, ValueError, r"^weight has no connections, its shape is \(0, 0\)"),
    "sparse": (sparse, ValueError, r"^weight is sparse; make it dense by \.to_dense\(\)"),
    "complex": (lambda: nn.Linear(2, 2, dtype=torch.complex64), TypeError, "must be float32 or float64, not .*complex"),
    "half": (lambda: nn.Linear(2, 2).half(), TypeError, "must be float32 or float64, not .*float16; convert"),
    "quantised": (quantised, ValueError, "nothing to select, as these weights are frozen: weight; call requires"),
}  # fmt: skip


@pytest.mark.parametrize("kind", WEIGHTS)
@pytest.mark.parametrize(("make", "settings"), [(slotify_, {"options": 2}), (mask_, {"rule": "edge_popup"})])
def test_weights_that_cannot_be_selected(make, settings, kind):
    build, error, message = WEIGHTS[kind]
    with pytest.raises(error, match=message):
        make(build(), **settings)


# Frozen weights


@pytest.mark.parametrize(("make", "settings"), [(slotify_, {"options": 2}), (mask_, {"rule": "edge_popup"})])
def test_frozen_weights_stay_as_they_are(make, settings):
    network = small_network()
    network[4].requires_grad_(False)
    before, asked = copy.deepcopy(network[4].state_dict()), []
    make(network, filter_fn=lambda _, name: asked.append(name) or True, **settings)
    assert list(selected_options(network)) == ["0.weight", "6.weight"] and asked == ["0", "6"]
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1, weight_decay=0.1)
    for _ in range(3):
        optimiser.zero_grad()
        network(images()).sum().backward()
        optimiser.step()
    assert_same(before, network[4].state_dict())
    assert not any(parameter.requires_grad for parameter in network[4].parameters())
    assert_same(before, bake_(network)[4].state_dict())
    with pytest.raises(
        ValueError, match=r"these weights are frozen: 0\.weight, 4\.weight, 6\.weight; call requires_grad_"
    ):
        make(network.requires_grad_(False), **settings)


# A slot machine and masks in one network


def test_layers_are_fused_before_or_after_but_not_while_they_are_selected():
    network = slotify_(small_network(), options=4).eval()
    with pytest.raises(RuntimeError, match=r"'weight' is selected, not assigned; call bake_ first, or tie and fuse"):
        fuse_conv_bn_eval(network[0], network[1])
    with pytest.raises(RuntimeError, match="'weight' is selected, not assigned; call bake_ first"):
        network[4].weight = nn.Parameter(torch.zeros(8, 64))
    network[4].bias = nn.Parameter(torch.zeros(8))
    expected = network[:2](images())
    bake_(network)
    assert torch.allclose(fuse_conv_bn_eval(network[0], network[1])(images()), expected, atol=1e-6)


# What a training loop forgot


def train(network: nn.Module, *, penalty: bool = False, epochs: bool = False) -> list[str]:
    """Three steps; what was warned of."""
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for epoch in range(1, 4):
            if epochs:
                begin_epoch_(network, epoch)
            optimiser.zero_grad()
            loss = network(images()).square().mean()
            (loss + change_penalty(network) if penalty else loss).backward()
            optimiser.step()
            network.eval()(images())
            network.train()
    return [str(warning.message) for warning in caught]


@pytest.mark.parametrize("rule", ["min_pruning", "min_flipping"])
def test_a_penalty_that_is_not_in_the_loss_is_warned_of_once(rule):
    (message,) = train(mask_(small_network(), rule))
    assert "add slotmachines.change_penalty(network) to the loss" in message
    assert train(mask_(small_network(), rule), penalty=True) == []


def test_a_lottery_ticket_whose_epochs_are_not_begun_is_warned_of_once():
    network = mask_(small_network(), "lottery_ticket")
    (message,) = train(network)
    assert "call slotmachines.begin_epoch_(network, epoch)" in message
    assert train(network) == []
    assert train(mask_(small_network(), "lottery_ticket"), epochs=True) == []


@pytest.mark.parametrize("rule", ["free_pruning", "edge_popup", "supermask"])
def test_rules_that_need_no_call_are_not_warned_of(rule):
    assert train(mask_(small_network(), rule)) == []
