"""Flip-popup: a fixed fraction of a layer's random weights has its sign flipped, those with the smallest scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from slotmachines.rivals.mask import ScoreRule


@dataclass(frozen=True)
class FlipPopup(ScoreRule):
    """M(s) = -1 for the fraction `flip` of a layer's connections with the smallest s, else 1."""

    altered: ClassVar[float] = -1.0
    flip: float = 0.1

    def initial_scores(self, uniform: Tensor, fan_in: int) -> Tensor:
        return uniform

    def keeps(self, scores: Tensor) -> Tensor:
        flipped = max(1, round(self.flip * scores.numel()))
        return scores > scores.flatten().kthvalue(flipped).values
