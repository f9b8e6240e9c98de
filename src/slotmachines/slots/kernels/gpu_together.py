"""Selecting the best options of several tensors by one launch of a kernel, with the rule of `kernels.gpu`.

A launch takes some microseconds of a GPU, as long as the selection of a small tensor itself. Where the tensors are is
written into a table on the GPU, so that their numbers need not lie in one piece of memory.
"""

# mypy: disable-error-code="no-untyped-def, untyped-decorator"
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

from slotmachines.slots.kernels import gpu
from slotmachines.slots.kernels.cache import Cache
from slotmachines.slots.kernels.gpu import _select_block
from slotmachines.slots.random_options import OptionPool

_FIELDS = tl.constexpr(7)  # of a tensor, in the table


@dataclass(frozen=True)
class Table:
    """Where some tensors of a GPU are, and their options.

    A graph that was captured reads the table in each replay: whoever replays it has to keep the table.

    Attributes:
        addresses: of theta and of c of each tensor, in turn; another one is another table.
        pool: of the first tensor. K and whether values are shared are the same for all.
        numbers: int64 (tensors, 7): addresses of theta and c, place of the first weight, number of connections, both
            keys, first block.
        bounds: float32 (tensors, 2): of values and of scores.
        tensor_of_block: int32 (blocks,).
        block: connections of a block.
    """

    addresses: tuple[int, ...]
    pool: OptionPool
    numbers: Tensor
    bounds: Tensor
    tensor_of_block: Tensor
    block: int

    @classmethod
    def of(cls, tensors: Sequence[tuple[Tensor, Tensor, OptionPool]], firsts: Sequence[int]) -> Table:
        """Of theta (n,), c and the options of each tensor, whose weights begin at the places `firsts`."""
        numbers: list[list[int]] = []
        tensor_of_block: list[int] = []
        for index, ((theta, scale, pool), first) in enumerate(zip(tensors, firsts, strict=True)):
            keys = gpu._signed(pool.key), gpu._signed(pool.shared_key or 0)
            numbers.append([theta.data_ptr(), scale.data_ptr(), first, theta.numel(), *keys, len(tensor_of_block)])
            tensor_of_block += [index] * triton.cdiv(theta.numel(), gpu._BLOCK)
        device = tensors[0][0].device
        return cls(
            addresses_of([(theta, scale) for theta, scale, _ in tensors]),
            tensors[0][2],
            torch.tensor(numbers, dtype=torch.int64, device=device),
            torch.tensor([[p.value_bound, p.score_bound] for _, _, p in tensors], dtype=torch.float32, device=device),
            torch.tensor(tensor_of_block, dtype=torch.int32, device=device),
            gpu._BLOCK,
        )


def addresses_of(tensors: Sequence[tuple[Tensor, Tensor]]) -> tuple[int, ...]:
    """Of theta and c of each tensor, in turn."""
    return tuple(one.data_ptr() for pair in tensors for one in pair)


def are_alike(pools: Sequence[OptionPool]) -> bool:
    """Whether one kernel can select from them all."""
    return len({(pool.options, pool.shared_key is None, pool.dtype) for pool in pools}) == 1


@triton.jit
def _select_all_kernel(
    numbers_pointer,
    bounds_pointer,
    tensor_pointer,
    weight_pointer,
    low_pointer,
    high_pointer,
    out_pointer,
    OPTIONS: tl.constexpr,
    SHARED: tl.constexpr,
    BLOCK: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    PIECES: tl.constexpr,
):
    block = tl.program_id(0)
    tensor = tl.load(tensor_pointer + block)
    numbers = numbers_pointer + tensor * _FIELDS
    theta_pointer = tl.load(numbers).to(tl.pointer_type(tl.float32))
    scale_pointer = tl.load(numbers + 1).to(tl.pointer_type(tl.float32))
    first = tl.load(numbers + 2)
    start = (block - tl.load(numbers + 6)).to(tl.int64) * BLOCK
    _select_block(
        start, tl.load(scale_pointer), theta_pointer,
        weight_pointer + first, low_pointer + first, high_pointer + first, out_pointer + first,
        tl.load(numbers + 3), tl.load(numbers + 4), tl.load(numbers + 5),
        tl.load(bounds_pointer + 2 * tensor), tl.load(bounds_pointer + 2 * tensor + 1),
        OPTIONS, SHARED, BLOCK, ROWS, COLUMNS, PIECES,
    )  # fmt: skip


def select_all_(table: Table, cache: Cache) -> Tensor:
    """The weights of the best options of all tensors, (size of the cache,); what lies between tensors is left as it is.

    Args:
        table: of contiguous float32 tensors.
        cache: of all tensors, brought up to date in place.
    """
    out = torch.empty_like(cache.weight)
    with torch.cuda.device(out.get_device()):
        _select_all_kernel[(len(table.tensor_of_block),)](
            table.numbers,
            table.bounds,
            table.tensor_of_block,
            cache.weight,
            cache.low,
            cache.high,
            out,
            OPTIONS=table.pool.options,
            SHARED=table.pool.shared_key is not None,
            BLOCK=table.block,
            **gpu._tile(table.pool),
            **gpu._COMPILER,
        )
    return out
