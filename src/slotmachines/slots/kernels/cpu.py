"""The rules of `slotmachines.slots.kernels.plain` on a processor, compiled by Numba."""

from __future__ import annotations

import ctypes
import math
import os
from dataclasses import dataclass, field
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

import numba
import numpy as np
import torch
from torch import Tensor
from torch.utils.dlpack import from_dlpack, to_dlpack  # type: ignore[attr-defined]

from slotmachines.slots.device_memory import free_bytes
from slotmachines.slots.kernels import loops, plain
from slotmachines.slots.kernels.cache import Cache
from slotmachines.slots.kernels.plain import MARGIN, OPTIONS_PER_SPREAD, SMALLEST_SCALE, TRIALS_PER_SPREAD
from slotmachines.slots.random_options import OptionPool

_SERIAL = 1 << 14  # connections that are not worth a second thread
_MOST = 1 << 32  # connections whose numbers are one word of the generator's counter
_TABLE_BYTES = 1 << 30
_TABLE_SHARE = 4  # a table takes at most this part of the memory that is free
_TABLES_LOCK = Lock()
_PARALLEL = Lock()  # Numba's layer "workqueue" ends the process if two threads enter it
_PLAIN = (Tensor, torch.nn.Parameter)
_PROCESS = os.getpid()  # OpenMP cannot be used again in a fork of a process that used it


def select_best_(theta: Tensor, score_scale: Tensor, cache: Cache, pool: OptionPool) -> Tensor:
    """As `plain.select_best_`; the tensor is lent by `cache.lent`."""
    if len(theta) > _MOST:
        return plain.select_best_(theta, score_scale, cache, pool)
    if cache.lent is None:
        cache.lent = Lent(cache, pool)
    weight: Tensor = cache.lent.select(theta, score_scale)
    return weight


def select_sample(theta: Tensor, score_scale: Tensor, key: Tensor, pool: OptionPool) -> Tensor:
    """As `plain.select_sample`."""
    if len(theta) > _MOST:
        return plain.select_sample(theta, score_scale, key, pool)
    spare = _kept(pool).spare
    try:
        memory = spare.pop()  # in one operation: another thread will make its own
    except IndexError:
        memory = Memory(theta)
    if not memory.fits(theta) or memory.is_in_use():
        memory = Memory(theta)
    draw_key = np.uint64(int(key.item()) % 2**64)
    arguments = (_number(score_scale.item(), theta), draw_key, memory.array, _pool(pool, theta.dtype), pool.options)
    proposals = float(OPTIONS_PER_SPREAD), float(TRIALS_PER_SPREAD)
    table = _table(pool, len(theta), theta.dtype)
    _run(loops.select_sample, loops.select_sample_parallel, _array(theta), *arguments, proposals, table)
    drawn = memory.lend()
    spare[:] = [memory]  # only now, as it is in use
    return drawn


def best_option(theta: Tensor, score_scale: Tensor, pool: OptionPool) -> Tensor:
    """As `plain.best_option`."""
    if len(theta) > _MOST:
        return plain.best_option(theta, score_scale, pool)
    out = torch.empty(len(theta), dtype=torch.int64, device="cpu")
    arguments = _number(score_scale.item(), theta), out.numpy(), _pool(pool, theta.dtype), pool.options
    _run(loops.best_option, loops.best_option_parallel, _array(theta), *arguments)
    return out


def _run(serial: Any, parallel: Any, theta: np.ndarray, *arguments: Any) -> None:
    """Call a loop over all connections, in as many parts as PyTorch uses threads."""
    threads = min(torch.get_num_threads(), numba.config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]
    if threads == 1 or len(theta) < _SERIAL or os.getpid() != _PROCESS:
        serial(0, len(theta), theta, *arguments)
    else:
        with _PARALLEL:
            before = numba.get_num_threads()
            numba.set_num_threads(threads)
            try:
                parallel(threads, theta, *arguments)
            finally:
                numba.set_num_threads(before)


def _array(theta: Tensor) -> np.ndarray:
    """The memory of `theta` as an array.

    Not by theta.numpy(), after which PyTorch refuses to free that memory, as FSDP2 does with whole parameters.
    """
    array: np.ndarray = from_dlpack(to_dlpack(theta)).numpy()
    return array


class Memory:
    """Memory of a selection, which the next one takes again unless someone holds it.

    New memory in each step would cost about as much as the selection, as the system has to make it ready.

    Attributes:
        tensor: of the shape of the trained numbers.
        array: the same, flat.
    """

    def __init__(self, theta: Tensor) -> None:
        with torch.inference_mode(False):  # it outlives the mode that it was made in
            self.tensor = torch.empty(theta.shape, dtype=theta.dtype, device="cpu")
        self.array: np.ndarray = self.tensor.view(-1).numpy()
        self._storage = self.tensor.untyped_storage()
        self._holders = _holders(self._storage)  # the two above

    def fits(self, theta: Tensor) -> bool:
        """Whether it is that of trained numbers of this shape and type."""
        return self.tensor.shape == theta.shape and self.tensor.dtype == theta.dtype

    def is_in_use(self) -> bool:
        """Whether someone else holds it, or that cannot be known."""
        return self._holders is None or _holders(self._storage) != self._holders

    def lend(self) -> Tensor:
        """Its tensor; for autograd another one in each call."""
        return self.tensor.data


class Lent:
    """Selects as `select_best_`, into memory that holds the selection of the last call, unless someone holds that.

    It is not written where nothing changes. Whoever writes into a selected weight changes what later ones see as little
    as before, because marks of it are compared.
    """

    def __init__(self, cache: Cache, pool: OptionPool) -> None:
        self._weight = cache.weight
        self._number: Any
        self._bits: Any
        self._number, self._bits = (
            (np.float32, np.int32) if cache.weight.dtype == torch.float32 else (np.float64, np.int64)
        )
        self._cached = cache.weight.numpy().view(self._bits), cache.low.numpy(), cache.high.numpy()
        self._pool = _pool(pool, cache.weight.dtype), pool.options
        self._array = np.empty(0, self._number)
        self._address = 0
        self._renew()

    def _renew(self) -> None:
        self._memory = Memory(self._weight)
        marks = np.empty(-(-len(self._weight) // loops.BLOCK), self._bits)
        self._arrays = (*self._cached, self._memory.array.view(self._bits), marks)
        self._is_filled = False

    def takes(self, theta: Tensor, score_scale: Tensor) -> bool:
        """Whether `select` may be called with these as they are, of whatever shape."""
        return (
            type(theta) in _PLAIN
            and theta.is_cpu
            and theta.dtype == score_scale.dtype == self._weight.dtype
            and theta.numel() == len(self._weight)
            and theta.is_contiguous()
        )

    def select(self, theta: Tensor, score_scale: Tensor) -> Tensor:
        """The selected weights, (n,)."""
        if self._memory.is_in_use():
            self._renew()
        scale = score_scale.item()
        certain = self._number(scale if scale > SMALLEST_SCALE else math.nan)
        arguments = self._number(scale), certain, float(MARGIN), *self._arrays, self._is_filled, *self._pool
        _run(loops.select_best, loops.select_best_parallel, self._array_of(theta), *arguments)
        self._is_filled = True
        return self._memory.lend()

    def _array_of(self, theta: Tensor) -> np.ndarray:
        """The memory of the trained numbers, contiguous, as a flat array to be used at once.

        Not by theta.numpy(), after which PyTorch refuses to free that memory, as FSDP2 does with whole parameters.
        """
        if self._address != (address := theta.data_ptr()):
            memory: Any = (ctypes.c_byte * theta.nbytes).from_address(address)
            self._array, self._address = np.frombuffer(memory, self._number), address
        return self._array

    def __deepcopy__(self, memo: Any) -> None:
        """A copy of a cache makes its own."""

    def __reduce__(self) -> tuple[Any, ...]:
        return type(None), ()


def _holders(storage: torch.UntypedStorage) -> int | None:
    """How many hold some memory of PyTorch; None where it does not say."""
    count: Any = getattr(torch._C, "_storage_Use_Count", None)
    return None if count is None else count(storage._cdata)


def _number(number: float, theta: Tensor) -> np.floating:
    """A number of the type of `theta`."""
    return np.float32(number) if theta.dtype == torch.float32 else np.float64(number)


def _table(pool: OptionPool, connections: int, dtype: torch.dtype) -> np.ndarray:
    """The options of a tensor for sampling with few options, which reads all of them in each step.

    They are kept as long as the pool, while all that are kept take less than `_TABLE_BYTES` and one no large part of
    the free memory; otherwise they are drawn in each step, which takes about twice as long. With many options,
    proposals read few of them.
    """
    tables = _kept(pool).tables
    if (connections, dtype) in tables:
        return tables[connections, dtype]
    blocks = -(-connections // loops.LANES)
    shape = (blocks, 2, pool.options, loops.LANES)
    size = math.prod(shape) * dtype.itemsize
    with _TABLES_LOCK:
        taken = sum(table.nbytes for kept in list(_KEPT.values()) for table in list(kept.tables.values()))
        is_small = taken + size <= _TABLE_BYTES and _TABLE_SHARE * size <= free_bytes(torch.device("cpu"))
        if pool.options >= OPTIONS_PER_SPREAD or not is_small:
            return np.empty((1, 2, 0, loops.LANES), np.float32 if dtype == torch.float32 else np.float64)
        table = np.empty(shape, np.float32 if dtype == torch.float32 else np.float64)
        loops.tabulate(connections, _pool(pool, dtype), table)
        tables[connections, dtype] = table
    return table


@dataclass
class _Kept:
    """What is computed of a pool once.

    Attributes:
        arguments: what the loops need of it, by the type of the trained numbers.
        tables: its options, by the number of connections and the type of the trained numbers.
        spare: memory of the last sample, at most one.
    """

    arguments: dict[torch.dtype, tuple[Any, ...]] = field(default_factory=dict)
    tables: dict[tuple[int, torch.dtype], np.ndarray] = field(default_factory=dict)
    spare: list[Memory] = field(default_factory=list)


_KEPT: WeakKeyDictionary[OptionPool, _Kept] = WeakKeyDictionary()


def _kept(pool: OptionPool) -> _Kept:
    return _KEPT.get(pool) or _KEPT.setdefault(pool, _Kept())


def _pool(pool: OptionPool, dtype: torch.dtype) -> tuple[Any, ...]:
    """What the loops need of a pool."""
    arguments = _kept(pool).arguments
    if dtype not in arguments:
        shared = torch.empty(0, device="cpu") if pool.shared_key is None else pool.shared_values("cpu")
        single = pool.dtype == torch.float32
        values = shared.to(dtype).numpy()
        arguments[dtype] = (np.uint64(pool.key), single, pool.value_bound, pool.score_bound, values)
    return arguments[dtype]
