"""Settings of masks that make no sense, and what a mask does not allow."""

import pytest
import torch

from conftest import small_network
from slotmachines import UserError, mask_
from slotmachines.rivals.apply import altered_share, named_rule
from slotmachines.rivals.edge_popup import EdgePopup
from slotmachines.rivals.lottery_ticket import LotteryTicket


def test_what_makes_no_sense_is_refused():
    with pytest.raises(UserError, match=r"unknown rule 'popup': use one of free_pruning, .*lottery_ticket"):
        mask_(small_network(), "popup")
    with pytest.raises(UserError, match=r"edge_popup: .*keeps.*; see slotmachines/rivals/edge_popup.py"):
        named_rule("edge_popup", keeps=0.5)
    with pytest.raises(UserError, match="penalty"):
        named_rule("min_pruning", penalty=0.0)
    with pytest.raises(UserError, match="fraction of connections to keep lies above 0"):
        EdgePopup(keep=0)
    with pytest.raises(UserError, match="at least one epoch"):
        LotteryTicket(round_epochs=0)
    with pytest.raises(UserError, match="share of conv weights"):
        LotteryTicket(conv=1.0)
    with pytest.raises(UserError, match="unknown distribution 'normal'"):
        mask_(small_network(), "edge_popup", weights="normal")
    with pytest.raises(UserError, match="no masks"):
        altered_share(small_network())
    network = mask_(small_network(), "edge_popup")
    with pytest.raises(UserError, match="selected already, by ScoredMask; call bake_ first"):
        mask_(network, "free_pruning")
    with pytest.raises(RuntimeError, match="call bake_ first"):
        network[4].weight = torch.zeros(8, 64)
