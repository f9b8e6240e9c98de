"""What is in a ticket: its weights, the options that they use, and its size, as text and as data."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from slotmachines.slots.packing import bits_of
from slotmachines.slots.ticket import options_of, read_ticket
from slotmachines.slots.ticket_fit import TicketWeight

_BARS = "▁▂▃▄▅▆▇█"
_WIDTH = 16  # bars of a histogram in the text; with more options, neighbours are added up
_MOST_COUNTED = 1 << 16  # options: a histogram of more would take more memory than the ticket


@dataclass(frozen=True)
class TicketRow:
    """One tensor of a ticket.

    Attributes:
        name: in the state dict of the ordinary network.
        shape, dtype: of the tensor in the network.
        options: K of a selected weight; None of a tensor that is in the ticket as it is.
        bits: ceil(log2 K) per connection; of other tensors, those of their numbers.
        used: the number of options that some connection uses.
        histogram: how many connections use each option, of length K; empty where nothing is selected, and for more
            than 65,536 options.
        seed, value_bound, sharing: what the K values are drawn from; None where nothing is selected.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    options: int | None
    bits: int
    used: int | None = None
    histogram: tuple[int, ...] = ()
    seed: int | None = None
    value_bound: float | None = None
    sharing: str | None = None

    @property
    def size(self) -> int:
        """Number of its elements: of connections, if it is selected."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class TicketContents:
    """All tensors of a ticket, and its size. `str` makes a table of it.

    Attributes:
        path: of the file.
        rows: one for each tensor.
        file_bytes: size of the file.
        float32_bytes: of the same numbers as float32 without any header (tensors of other kinds than floating-point
            numbers in their own precision).
    """

    path: str
    rows: tuple[TicketRow, ...]
    file_bytes: int
    float32_bytes: int

    @property
    def connections(self) -> int:
        """The number of weights that are a choice among options."""
        return sum(row.size for row in self.rows if row.options is not None)

    @property
    def bits(self) -> int:
        """To store which options are used."""
        return sum(row.bits for row in self.rows if row.options is not None)

    @property
    def ratio(self) -> float:
        """How many times smaller the file is than the same numbers as float32."""
        return self.float32_bytes / self.file_bytes

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain data, for JSON."""
        return {
            "path": self.path,
            "connections": self.connections,
            "selection_bits": self.bits,
            "file_bytes": self.file_bytes,
            "float32_bytes": self.float32_bytes,
            "ratio": round(self.ratio, 3),
            "tensors": [asdict(row) for row in self.rows],
        }

    def __str__(self) -> str:
        header = ("name", "shape", "K", "used", "bits", "connections per option")
        lines = [header, *map(_cells, self.rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        table = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
        return "\n".join([*table, "", self._totals()])

    def _totals(self) -> str:
        smaller = self.ratio >= 1 or self.float32_bytes == 0
        times = f"{self.ratio:.1f} times smaller" if smaller else f"{1 / self.ratio:.1f} times larger"
        return (
            f"{self.connections:,} connections are selected, {self.bits:,} bits. The file has {self.file_bytes:,} "
            f"bytes; the same numbers as float32 would have {self.float32_bytes:,}, so it is {times}."
        )


def _cells(row: TicketRow) -> tuple[str, ...]:
    shape = "x".join(map(str, row.shape)) or "1"
    if row.options is None:
        return row.name, shape, "", "", f"{row.bits:,}", f"as it is, {row.dtype}"
    counts = f"{bars(row.histogram)}  {min(row.histogram):,} to {max(row.histogram):,}" if row.histogram else ""
    return row.name, shape, str(row.options), str(row.used), f"{row.bits:,}", counts


def bars(histogram: tuple[int, ...]) -> str:
    """A histogram as one letter per option, its height from zero on; of more than 16 options, neighbours are one."""
    groups = [int(part.sum()) for part in np.array_split(np.array(histogram), min(len(histogram), _WIDTH))]
    top = max(max(groups), 1)
    return "".join(_BARS[round(count * (len(_BARS) - 1) / top)] for count in groups)


def inspect_ticket(path: str | Path) -> TicketContents:
    """What is in a ticket, without any network.

    Args:
        path: a file that `save_ticket` wrote. No code in it is run.

    Raises:
        UserError: the file is missing, damaged or no ticket.

    Example:
        >>> print(inspect_ticket("lenet.ticket.safetensors"))
    """
    weights, tensors = read_ticket(path)
    rows, float32 = [], 0
    selected = [name for name in weights if name in tensors]  # in the network's order
    for name in [*selected, *sorted(tensors.keys() - weights.keys())]:
        tensor = tensors[name]
        if weight := weights.get(name):
            row = _selected(name, weight, path, tensor)
            float32 += 4 * row.size
        else:
            bits = 8 * tensor.element_size() * tensor.numel()
            row = TicketRow(name, tuple(tensor.shape), str(tensor.dtype)[6:], None, bits)
            float32 += 4 * row.size if tensor.dtype.is_floating_point else bits // 8
        rows.append(row)
    return TicketContents(str(path), tuple(rows), Path(path).stat().st_size, float32)


def _selected(name: str, weight: TicketWeight, path: str | Path, packed: Tensor) -> TicketRow:
    pool, size = weight.pool, math.prod(weight.shape)
    histogram: tuple[int, ...]
    if pool.options == 1:  # no bits, however large a damaged file says that the weight is
        used, histogram = min(size, 1), (size,)
    else:
        options = options_of(path, name, packed, weight)
        used, histogram = len(np.unique(options)), ()
        if pool.options <= _MOST_COUNTED:
            histogram = tuple(np.bincount(options, minlength=pool.options).tolist())
    return TicketRow(
        name,
        weight.shape,
        str(weight.dtype)[6:],
        pool.options,
        size * bits_of(pool.options),
        used,
        histogram,
        pool.seed,
        pool.value_bound,
        pool.sharing,
    )
