"""The precision that trained numbers, and the selection by them, need."""

from __future__ import annotations

import torch
from torch import Tensor


def require_trainable(trained: Tensor) -> None:
    """Refuse to train numbers in half precision, where most steps would be rounded away (docs/training.md).

    Raises:
        TypeError: they are, as after `network.bfloat16()` or under a precision policy of FSDP2.
    """
    if trained.dtype in (torch.float16, torch.bfloat16) and trained.requires_grad and torch.is_grad_enabled():
        raise TypeError(
            f"weights are selected by numbers trained in float32 or float64, not in {trained.dtype}: keep the network "
            "in float32 and train it under torch.autocast, or call bake_ before you convert it"
        )


def require_double(device: torch.device) -> None:
    """Refuse to select weights where PyTorch has no float64, which the rule is evaluated in.

    Raises:
        TypeError: the device is a GPU of Apple's.
    """
    if device.type == "mps":
        raise TypeError(
            "weights are selected in float64, which PyTorch does not have on mps: "
            "train on the processor, and move the network there after bake_"
        )
