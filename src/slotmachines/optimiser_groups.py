"""The parameters that choose weights, apart from the ordinary ones, for optimisers that treat the two differently."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from slotmachines.slots.convert import require_selected


def parameter_groups(
    module: nn.Module, *, selected: Mapping[str, Any] | None = None, others: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """The parameters of a slot machine, or of a network with masks, as two groups for any optimiser of PyTorch.

    The first group holds what is trained in the place of the selected weights: theta and the scalar c of each weight of
    a slot machine, which have to have the same settings; the scores of a mask, or the weights under a lottery ticket.
    The second one holds all other parameters: biases, normalisation, and layers that are not selected. It may be empty.

    Selection by scores often needs another learning rate than ordinary parameters: the 25 of probabilistic selection
    in the paper would ruin biases and batch normalisation.

    Args:
        module: after `slotify_` or `mask_`; it may be wrapped, for instance by DistributedDataParallel.
        selected, others: settings of the groups, such as {"lr": 25}; those of the optimiser apply to what they lack.

    Returns:
        The two groups; each parameter of `module` is in one of them, once, in the order of `module.parameters()`.

    Raises:
        UserError: no weight of `module` is selected.

    Example:
        >>> network = slotify_(build_network("lenet"), options=8, selection="probabilistic")
        >>> groups = parameter_groups(network, selected={"lr": 25}, others={"lr": 0.1})
        >>> optimiser = torch.optim.SGD(groups, momentum=0.9)
    """
    choosing = set()
    for one in require_selected(module):
        choosing.add(id(one.trained))
        if isinstance(one.selector, nn.Module):
            choosing.update(map(id, one.selector.parameters()))
    parameters = list(module.parameters())
    return [
        {**(selected or {}), "params": [parameter for parameter in parameters if id(parameter) in choosing]},
        {**(others or {}), "params": [parameter for parameter in parameters if id(parameter) not in choosing]},
    ]
