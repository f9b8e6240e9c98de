"""Selecting all weights of a network in one operation, instead of one after the other as its layers come to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from slotmachines.selectable import Selected
from slotmachines.slots.kernels.cache import Cache
from slotmachines.slots.machine import SlotMachine

_ALIGNMENT = 64  # numbers: convolutions and products want their weights to begin at multiples of 16 bytes at least


class SelectionTogether:
    """Selects the weights of slot machines, of one network or of several, before a forward pass.

    On a GPU with Triton, all of them are selected by one kernel where they are greedy, in float32, and have the same K
    and either all or none shared values. Otherwise each is selected by itself; the bits are the same.
    """

    def __init__(self, machines: Sequence[Selected[SlotMachine]]) -> None:
        """`machines` is not empty, and they lie on one device.

        Raises:
            ValueError: one of them selects at random.
        """
        if any(one.selector.selection != "greedy" for one in machines):
            raise ValueError("only the best options are selected together, not random ones; leave those machines out")
        self._machines = list(machines)
        self._ends = [0]
        for one in machines:
            self._ends.append(self._ends[-1] + -(-one.trained.numel() // _ALIGNMENT) * _ALIGNMENT)
        self._kernel = self._kernel_for()
        self._table: Any = None

    def weights(self) -> tuple[Tensor, ...]:
        """The selected weights of each machine, with the straight-through gradient."""
        trained = [one.trained for one in self._machines]
        scales = [one.selector.score_scale for one in self._machines]
        weights: tuple[Tensor, ...] = _StraightThroughTogether.apply(self._select, len(scales), *trained, *scales)
        return weights

    @contextmanager
    def handed_out(self) -> Iterator[None]:
        """Select; within the block, each slot machine gives its weight of this selection."""
        for one, weight in zip(self._machines, self.weights(), strict=True):
            one.selector.handed_out = weight
        try:
            yield
        finally:
            for one in self._machines:
                one.selector.handed_out = None

    def _select(self) -> tuple[Tensor, ...]:
        trained = [one.trained.detach() for one in self._machines]
        if trained[0].is_meta:
            return self._parts(torch.empty(self._ends[-1], device="meta"))
        if self._kernel is None:
            pairs = zip(self._machines, trained, strict=True)
            return tuple(one.selector._best(theta, one.selector.score_scale) for one, theta in pairs)
        scales = [one.selector.score_scale.detach() for one in self._machines]
        addresses = self._kernel.addresses_of(list(zip(trained, scales, strict=True)))
        if self._table is None or self._table.addresses != addresses:
            pools = [one.selector.pool for one in self._machines]
            self._table = self._kernel.Table.of(list(zip(trained, scales, pools, strict=True)), self._ends[:-1])
            self._share_cache(trained[0].device)
        return self._parts(self._kernel.select_all_(self._table, self._cache))

    def _share_cache(self, device: torch.device) -> None:
        """One cache for all; that of each machine, which evaluation uses, becomes a part of it."""
        self._cache = Cache.empty(torch.empty(self._ends[-1], device=device))
        for one, first in zip(self._machines, self._ends, strict=False):
            one.selector._cache = self._cache.part(slice(first, first + one.trained.numel()))

    def _parts(self, flat: Tensor) -> tuple[Tensor, ...]:
        pairs = zip(self._machines, self._ends, strict=False)
        return tuple(flat[first : first + one.trained.numel()].view(one.trained.shape) for one, first in pairs)

    def _kernel_for(self) -> Any:
        """The module of the kernel, or None where it does not apply."""
        machines = [one.selector for one in self._machines]
        for one in self._machines:
            theta = one.trained
            is_float = theta.dtype == one.selector.pool.dtype == torch.float32
            if not (theta.is_cuda and is_float and theta.is_contiguous() and one.selector.compiled):
                return None
        if not find_spec("triton") or any(type(one.trained.data) is not Tensor for one in self._machines):
            return None
        from slotmachines.slots.kernels import gpu_together

        return gpu_together if gpu_together.are_alike([machine.pool for machine in machines]) else None


class _StraightThroughTogether(torch.autograd.Function):
    """As `StraightThrough`, for several tensors: all thetas come first, then all scales."""

    @staticmethod
    def forward(ctx: Any, select: Callable[[], tuple[Tensor, ...]], count: int, *trained: Tensor) -> tuple[Tensor, ...]:
        ctx.scales = [scale.detach() for scale in trained[count:]]
        return select()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        # Weight decay acts on the scales, see `StraightThrough`. Each has an own part of one tensor of zeros.
        first = ctx.scales[0]
        zeros = torch.zeros(len(ctx.scales), *first.shape, dtype=first.dtype, device=first.device)
        parts = (zero.to(scale.dtype) for zero, scale in zip(zeros.unbind(), ctx.scales, strict=True))
        return None, None, *gradients, *parts
