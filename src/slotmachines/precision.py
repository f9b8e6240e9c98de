"""The precision that trained numbers need."""

from __future__ import annotations

import torch
from torch import Tensor


def require_trainable(trained: Tensor) -> None:
    """Refuse to train numbers in half precision, where most steps would be rounded away (docs/method.md).

    Raises:
        TypeError: they are, as after `network.bfloat16()` or under a precision policy of FSDP2.
    """
    if trained.dtype in (torch.float16, torch.bfloat16) and trained.requires_grad and torch.is_grad_enabled():
        raise TypeError(
            f"weights are selected by numbers trained in float32 or float64, not in {trained.dtype}: keep the network "
            "in float32 and train it under torch.autocast, or call bake_ before you convert it"
        )
