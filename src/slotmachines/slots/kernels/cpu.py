"""The rules of `slotmachines.slots.kernels.plain` on a processor, compiled by Numba."""

from __future__ import annotations

import math
import os
from functools import lru_cache
from threading import Lock
from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor
from torch.utils.dlpack import from_dlpack, to_dlpack  # type: ignore[attr-defined]

from slotmachines.slots.kernels import loops, plain
from slotmachines.slots.kernels.cache import Cache
from slotmachines.slots.kernels.plain import MARGIN, OPTIONS_PER_SPREAD, SMALLEST_SCALE, TRIALS_PER_SPREAD
from slotmachines.slots.random_options import OptionPool

_SERIAL = 1 << 14  # connections that are not worth a second thread
_MOST = 1 << 32  # connections whose numbers are one word of the generator's counter
_PARALLEL = Lock()  # Numba's layer "workqueue" ends the process if two threads enter it
_PROCESS = os.getpid()  # OpenMP cannot be used again in a fork of a process that used it


def select_best_(theta: Tensor, score_scale: Tensor, cache: Cache, pool: OptionPool) -> Tensor:
    """As `plain.select_best_`."""
    if len(theta) > _MOST:
        return plain.select_best_(theta, score_scale, cache, pool)
    out = torch.empty_like(theta)
    scale = score_scale.item()
    arguments = (
        _number(scale, theta),
        _number(scale if scale > SMALLEST_SCALE else math.nan, theta),
        float(MARGIN),
        *(tensor.numpy() for tensor in (cache.weight, cache.low, cache.high, out)),
        _pool(pool, theta.dtype),
        pool.options,
    )
    _run(loops.select_best, loops.select_best_parallel, theta, *arguments)
    return out


def select_sample(theta: Tensor, score_scale: Tensor, key: Tensor, pool: OptionPool) -> Tensor:
    """As `plain.select_sample`."""
    if len(theta) > _MOST:
        return plain.select_sample(theta, score_scale, key, pool)
    out = torch.empty_like(theta)
    draw_key = np.uint64(int(key.item()) % 2**64)
    arguments = (_number(score_scale.item(), theta), draw_key, out.numpy(), _pool(pool, theta.dtype), pool.options)
    proposals = float(OPTIONS_PER_SPREAD), float(TRIALS_PER_SPREAD)
    _run(loops.select_sample, loops.select_sample_parallel, theta, *arguments, proposals)
    return out


def best_option(theta: Tensor, score_scale: Tensor, pool: OptionPool) -> Tensor:
    """As `plain.best_option`."""
    if len(theta) > _MOST:
        return plain.best_option(theta, score_scale, pool)
    out = torch.empty(len(theta), dtype=torch.int64, device="cpu")
    arguments = _number(score_scale.item(), theta), out.numpy(), _pool(pool, theta.dtype), pool.options
    _run(loops.best_option, loops.best_option_parallel, theta, *arguments)
    return out


def _run(serial: Any, parallel: Any, theta: Tensor, *arguments: Any) -> None:
    """Call a loop over all connections, in as many parts as PyTorch uses threads."""
    threads = min(torch.get_num_threads(), numba.config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]
    if threads == 1 or len(theta) < _SERIAL or os.getpid() != _PROCESS:
        serial(0, len(theta), _array(theta), *arguments)
    else:
        with _PARALLEL:
            before = numba.get_num_threads()
            numba.set_num_threads(threads)
            try:
                parallel(threads, _array(theta), *arguments)
            finally:
                numba.set_num_threads(before)


def _array(theta: Tensor) -> np.ndarray:
    """The memory of `theta` as an array.

    Not by theta.numpy(), after which PyTorch refuses to free that memory, as FSDP2 does with whole parameters.
    """
    array: np.ndarray = from_dlpack(to_dlpack(theta)).numpy()
    return array


def _number(number: float, theta: Tensor) -> np.floating:
    """A number of the type of `theta`."""
    return np.float32(number) if theta.dtype == torch.float32 else np.float64(number)


@lru_cache
def _pool(pool: OptionPool, dtype: torch.dtype) -> tuple[np.uint64, bool, float, float, np.ndarray]:
    """What the loops need of a pool."""
    shared = torch.empty(0, device="cpu") if pool.shared_key is None else pool.shared_values("cpu")
    single = pool.dtype == torch.float32
    return np.uint64(pool.key), single, pool.value_bound, pool.score_bound, shared.to(dtype).numpy()
