"""Supermasks: each connection of a random network is kept with a probability that training learns.

Source: Zhou, Lan, Liu and Yosinski, "Deconstructing Lottery Tickets: Zeros, Signs, and the Supermask", NeurIPS 2019.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from slotmachines.rivals.mask import ScoreRule


@dataclass(frozen=True)
class Supermask(ScoreRule):
    """M ~ Bernoulli(sigmoid(s)), drawn in every forward pass, in training and in evaluation.

    What is baked, and what `selected_options` tells, is the most probable mask.

    Attributes:
        rescale: dynamic weight rescaling, the weights of a layer times N / (number of those kept) of its N.
        samples: number of masks over which an evaluation takes the mean accuracy.
    """

    rescale: bool = True
    samples: int = 10

    def initial_scores(self, uniform: Tensor, fan_in: int) -> Tensor:
        """Zero: every connection is kept with probability 1/2."""
        return torch.zeros_like(uniform)

    def keeps(self, scores: Tensor) -> Tensor:
        return scores >= 0

    def draw(self, scores: Tensor) -> Tensor:
        return torch.bernoulli(scores.sigmoid()) > 0

    def slope(self, scores: Tensor) -> Tensor:
        """The derivative of the sigmoid."""
        probability = scores.sigmoid()
        return probability * (1 - probability)

    def factor(self, kept: Tensor) -> Tensor | float:
        return kept.numel() / kept.sum().clamp(min=1).double() if self.rescale else 1.0
