"""Edge-popup: the connections of a random network with the largest scores of their layer are kept.

Source: Ramanujan, Wortsman, Kembhavi, Farhadi and Rastegari, "What's Hidden in a Randomly Weighted Neural Network?",
CVPR 2020.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from slotmachines.errors import UserError
from slotmachines.rivals.mask import ScoreRule


@dataclass(frozen=True)
class EdgePopup(ScoreRule):
    """M(s) = 1 for the fraction `keep` of a layer's connections with the largest abs(s), else 0.

    Attributes:
        keep: fraction of the connections that are kept.
        scale_fan: weights are multiplied by keep^(-1/2), as if the fan of the layer counted kept inputs only.

    Raises:
        UserError: `keep` is no fraction, or keeps nothing.
    """

    keep: float = 0.5
    scale_fan: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.keep <= 1:
            raise UserError(f"the fraction of connections to keep lies above 0 and up to 1, not at {self.keep}")

    def initial_scores(self, uniform: Tensor, fan_in: int) -> Tensor:
        """Kaiming uniform with a = sqrt(5), which is U(-1, 1) / sqrt(fan_in)."""
        return (2 * uniform - 1) / math.sqrt(fan_in)

    def keeps(self, scores: Tensor) -> Tensor:
        """Of scores that tie at the threshold none is kept."""
        magnitude = scores.abs().flatten()
        dropped = magnitude.numel() - max(1, round(self.keep * magnitude.numel()))
        if dropped == 0:
            return torch.ones_like(scores, dtype=torch.bool)
        return scores.abs() > magnitude.kthvalue(dropped).values

    def slope(self, scores: Tensor) -> Tensor:
        return scores.sign()

    def factor(self, kept: Tensor) -> float:
        return self.keep**-0.5 if self.scale_fan else 1.0
