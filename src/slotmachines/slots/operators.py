"""Selection as operators of PyTorch, so that `torch.compile` and `torch.export` need not stop where it takes place.

The arguments of an operator are tensors and numbers, so it takes the settings of an `OptionPool` one by one. Only
traced code calls the operators: a call takes some 20 microseconds longer than one of a kernel.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from slotmachines.slots.kernels import kernels_for
from slotmachines.slots.kernels.cache import Cache
from slotmachines.slots.random_options import OptionPool

_pool_of: Any = lru_cache(OptionPool)


def settings_of(pool: OptionPool) -> tuple[Any, ...]:
    """The arguments of the operators that stand for a pool."""
    return (pool.seed, pool.name, pool.options, pool.value_bound, pool.score_bound, pool.dtype, pool.sharing)


@torch.library.custom_op("slotmachines::select_best", mutates_args=("weight", "low", "high"))
def select_best(
    theta: Tensor,
    score_scale: Tensor,
    weight: Tensor,
    low: Tensor,
    high: Tensor,
    compiled: bool,
    seed: int,
    name: str,
    options: int,
    value_bound: float,
    score_bound: float,
    precision: torch.dtype,
    sharing: str,
) -> Tensor:
    """The weights of the options with the highest scores, (n,); `weight`, `low` and `high` are those of a `Cache`."""
    pool = _pool_of(seed, name, options, value_bound, score_bound, precision, sharing)
    kernels = kernels_for(theta, precision, compiled=compiled)
    selected: Tensor = kernels.select_best_(theta, score_scale, Cache(weight, low, high), pool)
    return selected


# The tag keeps compilers from calling it twice, or once instead of twice.
@torch.library.custom_op("slotmachines::select_sample", mutates_args=(), tags=(torch.Tag.nondeterministic_seeded,))
def select_sample(
    theta: Tensor,
    score_scale: Tensor,
    compiled: bool,
    seed: int,
    name: str,
    options: int,
    value_bound: float,
    score_bound: float,
    precision: torch.dtype,
    sharing: str,
) -> Tensor:
    """The weights of options drawn from softmax(scores), (n,), with a key of PyTorch's generator."""
    pool = _pool_of(seed, name, options, value_bound, score_bound, precision, sharing)
    kernels = kernels_for(theta, precision, compiled=compiled)
    selected: Tensor = kernels.select_sample(theta, score_scale, sample_key(theta.device), pool)
    return selected


@select_best.register_fake
@select_sample.register_fake
def _like_theta(theta: Tensor, *others: Any) -> Tensor:
    return torch.empty_like(theta)


def sample_key(device: torch.device) -> Tensor:
    """64 random bits of PyTorch's generator, scalar int64 on the device."""
    return torch.randint(-(2**63), 2**63 - 1, (), dtype=torch.int64, device=device)
