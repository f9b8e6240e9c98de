"""Refusing beforehand what would not fit into memory."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterable

import torch


def require_memory(parts: Iterable[tuple[torch.device, int]], what: str) -> None:
    """Make sure of the memory for tensors to come, given as their devices and bytes; `what` names them.

    Raises:
        MemoryError: they would drive the machine into swapping, or the process into being killed.
    """
    needed: dict[torch.device, int] = {}
    for device, size in parts:
        needed[device] = needed.get(device, 0) + size
    for device, size in needed.items():
        free = free_bytes(device)
        if size > free:
            raise MemoryError(
                f"{what} would take {math.ceil(size / 2**30)} GiB, "
                f"more than the {free // 2**30} GiB of memory that is free on {device}"
            )


def free_bytes(device: torch.device) -> int:
    """Bytes that are free: of the device where it is a GPU, else of the machine."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        with open("/proc/meminfo") as lines:
            return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        if not hasattr(os, "sysconf"):  # Windows, where too much memory is an error of PyTorch's
            return sys.maxsize
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
