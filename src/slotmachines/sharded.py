"""Parameters that FSDP2, `torch.distributed.fsdp.fully_shard`, splits over processes.

In the forward pass of the module that was split they are whole, as ordinary parameters are. Elsewhere each process
holds some of the rows, and all processes have to ask for the whole at the same time.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def whole(tensor: Tensor) -> Tensor:
    """All numbers of a parameter, gathered if it is split; gradients go back to the parts."""
    gather = getattr(tensor, "full_tensor", None)
    return tensor if gather is None else gather()


def is_split(tensor: Tensor) -> bool:
    """Whether this process holds a part of the parameter only."""
    return hasattr(tensor, "full_tensor")


@torch.no_grad()
def fill_(parameter: Tensor, numbers: Tensor) -> None:
    """Copy `numbers`, of the whole shape and the same in all processes, into a parameter, which may be split."""
    if is_split(parameter):
        from torch.distributed.tensor import distribute_tensor

        split: Any = parameter
        numbers = distribute_tensor(numbers.to(split.device), split.device_mesh, split.placements)
    parameter.copy_(numbers)
