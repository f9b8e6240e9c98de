"""The methods there are, without torch: a line each (docs/extending.md)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from slotmachines.errors import UserError, did_you_mean

WORD = 32.0
"""Bits of a trained weight."""


def _of_option(options: int | None, altered: float) -> float:
    """Which of K options: log2 K."""
    return math.log2(options or 1)


def _of_mask(options: int | None, altered: float) -> float:
    """Which of two: the entropy of a coin that falls on one side with the share of the altered connections."""
    # Not the -0.0 that stands for certainty.
    return max(0.0, -sum(share * math.log2(share) for share in (altered, 1 - altered) if share > 0))


def _of_ticket(options: int | None, altered: float) -> float:
    """Which connections are kept, and their trained weights."""
    return _of_mask(options, altered) + WORD * (1 - altered)


def _of_weight(options: int | None, altered: float) -> float:
    return WORD


def _of_nothing(options: int | None, altered: float) -> float:
    return 0.0


Bits = Callable[[int | None, float], float]


@dataclass(frozen=True)
class Method:
    """One way to come to the weights of a network.

    Attributes:
        name: what the command line, the configs and `config/reference.csv` call it.
        label: what readers know it by.
        bits: how many bits per connection the result takes beside the seed of its random network. Its arguments are
            K, and the share of connections that are pruned or flipped.
        rule: of the rivals, "module:Class" of `slotmachines.rivals` that is a `slotmachines.rivals.mask.Rule`.
        arguments: of the rule, that a recipe cannot change.
        has_options: whether it chooses among K values.
        is_trained: whether there is anything to train.
    """

    name: str
    label: str
    bits: Bits
    rule: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    has_options: bool = False
    is_trained: bool = True


_METHODS = (
    Method("greedy", "slot machine", _of_option, has_options=True),
    Method("probabilistic", "slot machine, sampled", _of_option, has_options=True),
    Method("free_pruning", "pruning", _of_mask, "pruning:Pruning"),
    Method("min_pruning", "minimal pruning", _of_mask, "pruning:Pruning", {"penalty": 1.0}),
    Method("free_flipping", "flipping", _of_mask, "flipping:Flipping"),
    Method("min_flipping", "minimal flipping", _of_mask, "flipping:Flipping", {"penalty": 1.0}),
    Method("supermask", "supermask", _of_mask, "supermask:Supermask"),
    Method("edge_popup", "edge-popup", _of_mask, "edge_popup:EdgePopup"),
    Method("lottery_ticket", "lottery ticket", _of_ticket, "lottery_ticket:LotteryTicket"),
    Method("learned", "learned weights", _of_weight),
    Method("random", "random weights", _of_nothing, is_trained=False),
)

METHODS = {method.name: method for method in _METHODS}

SLOT_METHODS = tuple(name for name, method in METHODS.items() if method.has_options)
"""The two slot machines."""

RIVALS = tuple(name for name, method in METHODS.items() if method.rule)
"""The methods of other papers."""


def find_method(name: str) -> Method:
    """The method of that name.

    Raises:
        UserError: there is none.
    """
    if name not in METHODS:
        raise UserError(f"unknown method {name!r}: use one of {', '.join(METHODS)}{did_you_mean(name, METHODS)}")
    return METHODS[name]
