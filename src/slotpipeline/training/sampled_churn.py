"""How many connections of probabilistic selection change the option that they sample, from epoch to epoch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from slotmachines.selectable import weight_selectors
from slotmachines.slots.machine import SlotMachine
from slotmachines.slots.philox import key_of

Draw = dict[str, Tensor]


class SampledChurn:
    """Draws the option of each connection as a step of training would, after each epoch, and compares the draws.

    The draws have streams of random numbers of their own, keyed by seed and epoch, so that training is not disturbed
    and a resumed run measures the same. A network without probabilistic selection has nothing to draw.
    """

    def __init__(self, network: nn.Module, seed: int) -> None:
        self._seed = seed
        self._machines = [
            (one, one.selector)
            for one in weight_selectors(network)
            if isinstance(one.selector, SlotMachine) and one.selector.selection == "probabilistic"
        ]
        self._before: Draw = {}
        self._epoch = 0

    def begin(self, epoch: int) -> None:
        """Draw from the scores as an epoch (counted from 1) finds them."""
        self._epoch, self._before = epoch, self._draw(epoch - 1, "epoch")

    def shares(self) -> dict[str, Tensor]:
        """The shares `sampled_changed_share` and `redrawn_share` of a row of the curve, after the epoch's steps.

        The first compares a draw after the epoch with the one before it; the second compares two draws after it.
        """
        if not self._machines:
            return {}
        now, again = self._draw(self._epoch, "epoch"), self._draw(self._epoch, "again")
        return {"sampled_changed_share": _different(self._before, now), "redrawn_share": _different(now, again)}

    def _draw(self, epoch: int, stream: str) -> Draw:
        """The weights of the sampled options."""
        return {
            one.name: machine.drawn_weight(one.trained, key_of("churn", stream, self._seed, epoch, one.name))
            for one, machine in self._machines
        }


def _different(first: Draw, second: Draw) -> Tensor:
    """Share of the connections whose weights differ. Two options have the same value with probability 2^-24 only."""
    changed = torch.stack([(first[name] != second[name]).sum() for name in first]).sum()
    return changed.double() / sum(weight.numel() for weight in first.values())
