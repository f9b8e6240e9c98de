"""Connectivity pruning: random weights, of which training learns the ones to leave out.

Source: Ivan and Florian, "Training highly effective connectivities within neural networks with randomly initialized,
fixed weights", arXiv 2006.16627, 2020: FreePruning and, with a penalty of 1, MinPruning.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from slotmachines.rivals.mask import ScoreRule


@dataclass(frozen=True)
class Pruning(ScoreRule):
    """M(s) = 1 if s > 0, else 0; the gradient goes straight through.

    Attributes:
        penalty: 1 asks for few changes, 0 does not care.
        rescale: multiply the weights of a layer by N / (1 + number of those kept) of its N.
    """

    penalty: float = 0.0
    rescale: bool = False

    def initial_scores(self, uniform: Tensor, fan_in: int) -> Tensor:
        """U(0.01, 0.1): the network starts as it was drawn."""
        return 0.01 + 0.09 * uniform

    def keeps(self, scores: Tensor) -> Tensor:
        return scores > 0

    def factor(self, kept: Tensor) -> Tensor | float:
        return kept.numel() / (1 + kept.sum().double()) if self.rescale else 1.0
