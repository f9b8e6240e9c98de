"""The slot machine as the paper writes it, with K trained scores per connection.

It is the oracle of the tests, and what a checkpoint of the authors' code becomes (`slotmachines.slots.released_code`).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from slotmachines.attachment import deselect_, select_by_
from slotmachines.selectable import AnyModule, weight_selectors
from slotmachines.slots.convert import option_table, slot_machines, slotify_
from slotmachines.slots.machine import Selection


class _DenseStraightThrough(torch.autograd.Function):
    """Every option's score receives dL/dw times the option's value, whichever was selected (paper, section 3)."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, values: Tensor, selected: Tensor) -> Tensor:
        ctx.save_for_backward(values)
        return values.gather(-1, selected.unsqueeze(-1)).squeeze(-1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (values,) = ctx.saved_tensors
        return gradient.unsqueeze(-1) * values, None, None


class DenseSlotMachine(nn.Module):
    """Parametrization with K scores per connection; the parameter that it replaces takes no part and gets no gradient.

    Attributes:
        values, scores: of all options, (*weight.shape, K).
        selection: the rule in training mode; in evaluation mode both use the best option.
    """

    values: Tensor

    def __init__(self, values: Tensor, scores: Tensor, selection: Selection) -> None:
        super().__init__()
        self.selection = selection
        self.register_buffer("values", values)
        self.scores = nn.Parameter(scores.clone())

    def forward(self, unused: Tensor) -> Tensor:
        if self.training and self.selection == "probabilistic":
            probabilities = self.scores.detach().softmax(-1).flatten(0, -2)
            selected = torch.multinomial(probabilities, 1).view(self.scores.shape[:-1])
        else:
            selected = self.best_option(unused)
        weight: Tensor = _DenseStraightThrough.apply(self.scores, self.values, selected)
        return weight

    def best_option(self, unused: Tensor) -> Tensor:
        """The option with the highest score of each connection, the first of equal ones, int64."""
        return self.scores.detach().argmax(-1)

    def best_weight(self, unused: Tensor) -> Tensor:
        """The weight that evaluation uses, detached."""
        return self.values.gather(-1, self.best_option(unused).unsqueeze(-1)).squeeze(-1)

    def choice(self, unused: Tensor) -> Tensor:
        """The best option."""
        return self.best_option(unused)


def dense_slotify_(module: AnyModule, *, selection: Selection = "greedy", **settings: Any) -> AnyModule:
    """As `slotmachines.slotify_`, with the same values and initial scores, but K trained scores per connection."""
    slotify_(module, selection=selection, **settings)
    table = option_table(module)
    for one in list(slot_machines(module)):
        deselect_(one, one.selector.best_weight(one.trained))
        select_by_(one.sites, DenseSlotMachine(*table[one.name], selection))
    return module


def dense_scores(module: nn.Module) -> dict[str, Tensor]:
    """The trained scores: weight name -> (*weight.shape, K), detached."""
    return {
        one.name: one.selector.scores.detach()
        for one in weight_selectors(module)
        if isinstance(one.selector, DenseSlotMachine)
    }
