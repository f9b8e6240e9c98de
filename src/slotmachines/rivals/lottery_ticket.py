"""The lottery ticket: weights that are trained, pruned by their magnitude and set back to where they started.

Source: Frankle and Carbin, "The Lottery Ticket Hypothesis: Finding Sparse, Trainable Neural Networks", ICLR 2019.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from slotmachines.errors import UserError
from slotmachines.precision import require_trainable
from slotmachines.rivals.mask import Mask, Rule
from slotmachines.sharded import fill_, whole


@dataclass(frozen=True)
class LotteryTicket(Rule):
    """Iterative magnitude pruning: after each round the smallest weights of each layer go, and all others rewind.

    Training ends with a round, whose weights are the result: `epochs` of a run are rounds x `round_epochs`.

    Attributes:
        round_epochs: epochs of a round.
        dense: share of the weights left in a dense layer that a round prunes; the last layer loses half of its share.
        conv: the same of a convolution.

    Raises:
        UserError: a round without an epoch, or a share that leaves no weights.
    """

    round_epochs: int = 10
    dense: float = 0.2
    conv: float = 0.1

    def __post_init__(self) -> None:
        if self.round_epochs < 1:
            raise UserError(f"a round takes at least one epoch, not {self.round_epochs}")
        for name, share in (("dense", self.dense), ("conv", self.conv)):
            if not 0 <= share < 1:
                raise UserError(f"the share of {name} weights to prune lies between 0 and below 1, not at {share}")

    @property
    def reminder(self) -> str:
        return (
            "a lottery ticket prunes between rounds, but no epoch was begun: "
            "call slotmachines.begin_epoch_(network, epoch) before each epoch, counted from 1"
        )

    def mask(self, weight: Tensor, uniform: Tensor, fan_in: int, *, is_output: bool) -> Mask:
        share = self.conv if weight.ndim > 2 else self.dense
        return MagnitudeMask(self, weight, share / 2 if is_output else share)


class MagnitudeMask(Mask):
    """Maps trained weights to those of them that are not pruned.

    Attributes:
        share: of the weights left, which a round prunes.
        initial: the weights that training starts from in each round.
        kept: which are not pruned, bool.
    """

    rule: LotteryTicket
    initial: Tensor
    kept: Tensor

    def __init__(self, rule: LotteryTicket, weight: Tensor, share: float) -> None:
        super().__init__(rule, weight.detach().clone())
        self.share = share
        self.register_buffer("initial", weight.detach().clone())
        self.register_buffer("kept", torch.ones_like(weight, dtype=torch.bool))

    def forward(self, weight: Tensor) -> Tensor:
        require_trainable(weight)
        return whole(weight) * self.kept

    def choice(self, weight: Tensor) -> Tensor:
        return self.kept.clone()

    def best_weight(self, weight: Tensor) -> Tensor:
        return whole(weight.detach()) * self.kept

    @torch.no_grad()
    def begin_epoch_(self, weight: Tensor, epoch: int) -> bool:
        """Before the first epoch of each round but the first one, prune and rewind."""
        if epoch == 1 or (epoch - 1) % self.rule.round_epochs:
            return False
        left = self.kept.flatten().nonzero().flatten()
        smallest = whole(weight).abs().flatten()[left].argsort(stable=True)[: round(self.share * len(left))]
        self.kept.view(-1)[left[smallest]] = False
        fill_(weight, self.initial)
        return True
