"""Selecting the weights of a slot machine: in plain PyTorch, compiled by Numba on a processor, by Triton on a GPU.

Each module has the functions `select_best_`, `select_sample` and `best_option` of `slotmachines.slots.kernels.plain`.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor


def kernels_for(theta: Tensor, precision: torch.dtype, *, compiled: bool) -> Any:
    """The module to use for trained numbers `theta` and a pool of a precision.

    The compiled ones are used where they apply and their compiler is installed; all select the same weights.
    """
    if compiled and theta.device.type == "cpu" and theta.dtype in (torch.float32, torch.float64):
        return _module("cpu", "numba")
    if compiled and theta.is_cuda and theta.dtype == precision == torch.float32:
        return _module("gpu", "triton")
    return _module("plain", "torch")


@cache
def _module(name: str, compiler: str) -> Any:
    return import_module(f"slotmachines.slots.kernels.{name if find_spec(compiler) else 'plain'}")
