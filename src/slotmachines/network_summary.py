"""What is selected in a network, what is trained as usual, and what is frozen: as text and as data."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils import parametrize

from slotmachines.layer_kinds import EMBEDDINGS
from slotmachines.layer_weights import candidates_of, joined, refusal, unknown_kind, unknown_weights
from slotmachines.rivals.lottery_ticket import MagnitudeMask
from slotmachines.rivals.mask import Mask
from slotmachines.selectable import Selected, WeightSelector, layers_of, require_module, weight_selectors
from slotmachines.slots.machine import SlotMachine

State = Literal["selected", "selectable", "refused", "trained", "frozen"]


@dataclass(frozen=True)
class SummaryRow:
    """One parameter of a network.

    Attributes:
        name: in the network, the first one; a selected weight has the name of the weight.
        also: its other names, of a tensor that several layers hold.
        layer: the kind of the layer, such as "Linear".
        shape: of the tensor.
        state: "selected"; "selectable", which is trained as usual, but could be selected; "refused", which is trained,
            may hold connections, and is not selected because of `reason`; "trained", which holds no connections; or
            "frozen", which is neither trained nor selected.
        options: K of a slot machine, 2 of a mask, None of what is not selected.
        bits: to store which options are used: ceil(log2 K) for each connection, as in a ticket. Of a lottery ticket,
            whose weights are trained, those of the weights that are left are counted too.
        reason: how it is selected, or why it is not.
    """

    name: str
    also: tuple[str, ...]
    layer: str
    shape: tuple[int, ...]
    state: State
    options: int | None = None
    bits: int | None = None
    reason: str = ""

    @property
    def size(self) -> int:
        """Number of its elements: of connections, if it is selected."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Summary:
    """All parameters of a network, but for the scalar c of each slot machine. `str` makes a table of it."""

    rows: tuple[SummaryRow, ...]

    def count(self, *states: State) -> int:
        """The number of elements of the rows in some states."""
        return sum(row.size for row in self.rows if row.state in states)

    @property
    def bits(self) -> int:
        """To store all selections."""
        return sum(row.bits or 0 for row in self.rows)

    def as_dicts(self) -> list[dict[str, Any]]:
        """The rows as plain data, for JSON or a table of pandas."""
        return [asdict(row) for row in self.rows]

    def __str__(self) -> str:
        header = ("name", "layer", "shape", "state", "options", "bits", "")
        lines = [header] + [
            (
                " = ".join((row.name, *row.also)),
                row.layer,
                "x".join(map(str, row.shape)) or "1",
                row.state,
                "" if row.options is None else str(row.options),
                "" if row.bits is None else f"{row.bits:,}",
                row.reason,
            )
            for row in self.rows
        ]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        table = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
        return "\n".join([*table, self._totals()])

    def _totals(self) -> str:
        selected, trained = self.count("selected"), self.count("selectable", "refused", "trained")
        total = self.count("selected", "selectable", "refused", "trained", "frozen")
        weights = Counter(row.state for row in self.rows)
        share = f" ({100 * selected / total:.1f}%)" if total else ""
        return (
            f"{total:,} parameters: {selected:,} selected{share} in {weights['selected']} tensors, {self.bits:,} bits; "
            f"{trained:,} trained as usual, of which {self.count('selectable'):,} could be selected and "
            f"{self.count('refused'):,} are refused; {self.count('frozen'):,} frozen"
        )


def summary(module: nn.Module) -> Summary:
    """What is selected in a network, what is trained as usual, what would be refused, and what is frozen.

    Args:
        module: any network, before or after `slotify_` or `mask_`.

    Raises:
        TypeError: `module` is no module.

    Example:
        >>> print(summary(slotify_(build_network("lenet"), options=8)))
    """
    require_module(module)
    found: dict[int, list[SummaryRow]] = {}
    for one in weight_selectors(module, every_name=True):
        found.setdefault(id(one.selector), []).append(_selected(one))
    for name, layer in layers_of(module, every_name=True):
        for parameter, row in _ordinary(name, layer):
            found.setdefault(id(parameter), []).append(row)
    rows = [replace(first, also=tuple(row.name for row in others)) for first, *others in found.values()]
    order = {name: number for number, (name, _) in enumerate(layers_of(module, every_name=True))}
    return Summary(tuple(sorted(rows, key=lambda row: order[_layer_name(row.name)])))


def _layer_name(name: str) -> str:
    layer, _, _ = name.partition(".parametrizations.") if ".parametrizations." in name else name.rpartition(".")
    return "" if layer.startswith("parametrizations.") else layer


def _selected(one: Selected[Any]) -> SummaryRow:
    selector, count = one.selector, one.trained.numel()
    if isinstance(selector, SlotMachine):
        options = selector.pool.options
        bits, how = count * (options - 1).bit_length(), f"slot machine: {selector.extra_repr()}"
    elif isinstance(selector, Mask):
        options, bits, how = 2, count, f"mask: {selector.rule}"
        if isinstance(selector, MagnitudeMask):
            bits += int(selector.kept.sum()) * 8 * one.trained.element_size()
    else:
        options = selector.values.shape[-1]
        bits, how = count * (options - 1).bit_length(), "slot machine with trained scores"
    return SummaryRow(one.name, (), _kind(one.layer), tuple(one.trained.shape), "selected", options, bits, how)


def _ordinary(name: str, layer: nn.Module) -> Iterator[tuple[Tensor, SummaryRow]]:
    """The parameters of a layer that are not selected, with the parameters that a parametrized tensor is made of."""
    refused = {one.tensor: str(error) for one in candidates_of(name, layer, False) if (error := refusal(one))}
    held = {tensor for tensor, _ in layer.named_parameters(recurse=False)}
    computed = [reason for tensor, reason in refused.items() if tensor not in held]
    refused |= {tensor: (computed or [unknown_kind(name, layer)])[0] for tensor in unknown_weights(layer)}
    could_be = {one.tensor for one in candidates_of(name, layer, False)}
    lists: Any = layer.parametrizations if parametrize.is_parametrized(layer) else {}
    for tensor, label, parameter in [
        *((t, t, parameter) for t, parameter in layer.named_parameters(recurse=False, remove_duplicate=False)),
        *(
            (t, f"parametrizations.{t}.{part}", parameter)
            for t, made in lists.items()
            if not isinstance(made[0], WeightSelector)
            for part, parameter in made.named_parameters(recurse=False)
        ),
    ]:
        state: State = "trained"
        if not parameter.requires_grad:
            state = "frozen"
        elif tensor in refused:
            state = "refused"
        elif tensor in could_be:
            state = "selectable"
        is_row = isinstance(layer, EMBEDDINGS) and state == "trained"
        reason = refused.get(tensor, "") if state == "refused" else "selected by embeddings=True" if is_row else ""
        shape = () if is_lazy(parameter) else tuple(parameter.shape)
        yield parameter, SummaryRow(joined(name, label), (), _kind(layer), shape, state, reason=reason)


def _kind(layer: nn.Module) -> str:
    return parametrize.type_before_parametrizations(layer).__name__
