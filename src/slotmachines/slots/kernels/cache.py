"""What greedy selection remembers of the last step."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor


@dataclass
class Cache:
    """Of each connection the selected weight, and an open interval of theta / c in which it surely stays selected.

    Scores are lines in theta / c, so the option with the highest score changes only at breaks, and few connections
    cross one in a step. The interval is a certificate: within it nothing has to be computed, outside it the rule
    decides. Whatever is in the cache, the selection is the same.

    Attributes:
        weight, low, high: (n,) each.
        lent: what a compiled kernel keeps beside them; None after something else has changed them.
    """

    weight: Tensor
    low: Tensor
    high: Tensor
    lent: Any = field(default=None, compare=False, repr=False)

    @classmethod
    def empty(cls, theta: Tensor) -> Cache:
        """One in which every connection is outside its interval."""
        with torch.inference_mode(False):  # it outlives the mode that it was made in
            return cls(torch.zeros_like(theta), torch.full_like(theta, torch.inf), torch.full_like(theta, -torch.inf))

    def part(self, some: slice) -> Cache:
        """The cache of some of the connections, in the same memory."""
        return Cache(self.weight[some], self.low[some], self.high[some])

    def fits(self, theta: Tensor) -> bool:
        """Whether it is one for trained numbers of this type, size and place."""
        mine = self.weight
        return mine.dtype == theta.dtype and mine.device == theta.device and mine.shape == theta.shape
