"""How many connections sample another option than one epoch before, and how many would anyway."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from slotmachines import slotify_
from slotmachines.slots.convert import slot_machines
from slotpipeline.training.sampled_churn import SampledChurn


def network(selection: str) -> nn.Module:
    torch.manual_seed(0)
    return slotify_(nn.Sequential(nn.Linear(100, 90), nn.Linear(90, 20)), options=8, seed=3, selection=selection)


def move(net: nn.Module, spread: float) -> None:
    for one in slot_machines(net):
        one.trained.data.copy_(spread * torch.randn(one.trained.shape, generator=torch.manual_seed(5)))


def probabilities(net: nn.Module) -> list[Tensor]:
    """Of each weight tensor the softmax of the scores, (K, n)."""
    found = []
    for one in slot_machines(net):
        pool, theta = one.selector.pool, one.trained.detach().reshape(-1)
        values, scores = pool.draw(torch.arange(len(theta)), torch.arange(pool.options)[:, None])
        found.append((scores.double() + values.double() * theta).softmax(0))
    return found


def different(first: list[Tensor], second: list[Tensor]) -> float:
    """Expected share of the connections of which a sample of each has another option."""
    same = sum(float((one * other).sum()) for one, other in zip(first, second, strict=True))
    return 1 - same / sum(one.shape[1] for one in first)


def test_shares_are_those_that_the_softmax_predicts() -> None:
    net, seeds = network("probabilistic"), range(10)
    churns = [SampledChurn(net, seed) for seed in seeds]
    move(net, 5)
    before = probabilities(net)
    for churn in churns:
        churn.begin(1)
    move(net, 40)
    after = probabilities(net)
    state = torch.get_rng_state()
    found = [churn.shares() for churn in churns]
    assert torch.equal(torch.get_rng_state(), state), "training would draw other numbers"
    changed, redrawn = (
        torch.stack([one[name] for one in found]).mean().item() for name in ("sampled_changed_share", "redrawn_share")
    )
    # 108,000 draws: four standard errors are 0.006.
    assert changed == pytest.approx(different(before, after), abs=0.006)
    assert redrawn == pytest.approx(different(after, after), abs=0.006)
    assert changed - redrawn > 0.02


def test_an_epoch_begins_with_the_draw_that_ended_the_one_before() -> None:
    net = network("probabilistic")
    move(net, 40)
    going_on, resumed = SampledChurn(net, 1), SampledChurn(net, 1)
    going_on.begin(1)
    going_on.begin(2)
    resumed.begin(2)
    assert going_on.shares() == resumed.shares()
    # The scores stay as they are, so that only sampling again changes options.
    assert float(resumed.shares()["sampled_changed_share"]) == pytest.approx(
        float(resumed.shares()["redrawn_share"]), abs=0.03
    )


def test_greedy_selection_samples_nothing() -> None:
    churn = SampledChurn(network("greedy"), 1)
    churn.begin(1)
    assert churn.shares() == {}
