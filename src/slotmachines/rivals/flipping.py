"""Connectivity flipping: random weights, of which training learns the ones whose sign to flip.

Source: Ivan and Florian, "Training highly effective connectivities within neural networks with randomly initialized,
fixed weights", arXiv 2006.16627, 2020: FreeFlipping and, with a penalty of 1, MinFlipping.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from slotmachines.rivals.mask import ScoreRule


@dataclass(frozen=True)
class Flipping(ScoreRule):
    """M(s) = 1 if s > 0, else -1; the gradient goes straight through.

    Attributes:
        penalty: 1 asks for few changes, 0 does not care.
    """

    altered: ClassVar[float] = -1.0
    penalty: float = 0.0

    def initial_scores(self, uniform: Tensor, fan_in: int) -> Tensor:
        """U(0.01, 0.1): the network starts as it was drawn."""
        return 0.01 + 0.09 * uniform

    def keeps(self, scores: Tensor) -> Tensor:
        return scores > 0
