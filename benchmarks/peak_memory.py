"""The peak memory of one way of training, in a process of its own."""

from __future__ import annotations

import ctypes
import gc
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.cases import MANY_OPTIONS, Case, Method, batch_of, input_shape, make_slots_, starting_network
from benchmarks.training_arms import Training

_STEPS = 3
_RESET = Path("/proc/self/clear_refs")
_M_MMAP_THRESHOLD, _PR_SET_THP_DISABLE = -3, 41  # of malloc.h and sys/prctl.h


def peak_bytes(case: Case, method: Method, device: torch.device) -> int | None:
    """The most memory that building the network and a few training steps take, beyond that of the loaded libraries.

    On a GPU that of all tensors; else resident memory, by the high-water mark of the kernel. It is the least of
    several times (at a very large K of one), as what else happens in a process only adds. Call it in a fresh process.
    None where the system does not tell: only Linux with glibc does.
    """
    if device.type == "cuda":
        return min(_peak_on_gpu(case, method, device) for _ in range(2))
    libc = ctypes.CDLL(None)
    if not (_RESET.exists() and hasattr(libc, "malloc_trim")):
        return None
    libc.mallopt(_M_MMAP_THRESHOLD, 8192)  # what is freed goes back at once, so that only what is used counts
    libc.prctl(_PR_SET_THP_DISABLE, 1, 0, 0, 0)  # huge pages would round tensors up to 2 MiB
    # The first time loads libraries, compiled code and their work space: a single measurement would count them.
    _train(replace(case, options=2), method, device)
    # What is added otherwise is next to nothing for a large network, whose steps take seconds.
    repeats = 1 if case.options == MANY_OPTIONS else 3 if case.network == "lenet" else 2
    return min(_peak_resident(case, method, device) for _ in range(repeats))


def _peak_on_gpu(case: Case, method: Method, device: torch.device) -> int:
    gc.collect()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    _train(case, method, device)
    return torch.cuda.max_memory_allocated() - before


def _peak_resident(case: Case, method: Method, device: torch.device) -> int:
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    _RESET.write_text("5")  # the high-water mark becomes what is resident now
    before = _high_water_mark()
    _train(case, method, device)
    return _high_water_mark() - before


def _train(case: Case, method: Method, device: torch.device) -> None:
    """Build and train; on noise, which takes as much memory as images do."""
    training = Training(make_slots_(starting_network(case, device), case, method), case.settings(method))
    batch = batch_of(case.network)
    for _ in range(_STEPS):
        images = torch.rand(batch, *input_shape(case.network), device=device)
        training.step(images, torch.randint(10, (batch,), device=device))


def _high_water_mark() -> int:
    """Bytes: the most that was resident since the last reset."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
