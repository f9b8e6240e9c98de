"""The winning ticket: a trained slot machine as one small file, and the ordinary network that it is worth.

The K values of a connection follow from the seed, so a file has to say no more than which of them is selected:
ceil(log2 K) bits per connection. docs/ticket.md describes the format.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from slotmachines.errors import UserError
from slotmachines.files import replacing
from slotmachines.selectable import AnyModule, Selected, weight_selectors
from slotmachines.sharded import fill_, whole
from slotmachines.slots.convert import bake_, require_nothing_on_top, require_numbers
from slotmachines.slots.machine import SlotMachine
from slotmachines.slots.packing import bits_of, pack_options, unpack_options
from slotmachines.slots.random_options import MOST_OPTIONS, OptionPool
from slotmachines.slots.ticket_fit import TicketWeight, require_same_network, require_same_ties, require_writable

_FORMAT = 1
_DTYPES = {str(dtype)[6:]: dtype for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16)}
_NO_CHECKSUM = b"0" * 64  # stands in the place of the checksum while it is computed
_CHECKSUM = re.compile(rb'\\"blake2b\\":\\"([0-9a-f]{64})\\"')  # JSON within JSON


def save_ticket(module: nn.Module, path: str | Path) -> None:
    """Write the network that `bake_` would make of a slot machine, which stays as it is.

    The file is a safetensors file of ceil(log2 K) bits per connection, of everything else that the state dict of the
    ordinary network holds, as it is, and of a header. The same module gives the same bytes.

    Args:
        module: a slot machine; of either selection the options with the highest scores are written.
        path: the file, which is replaced if it exists.

    Raises:
        UserError: `module` is no slot machine, has masks, trained scores or another parametrization on top too, holds
            NaN as trained numbers, or state that is no tensor, or the file cannot be written.
    """
    content = ticket_bytes(module)
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def ticket_bytes(module: nn.Module, chosen: Mapping[str, Tensor] | None = None) -> bytes:
    """The content of the file that `save_ticket` writes; what it refuses is refused.

    `chosen` holds the options to write, by the name of the weight, in the place of those with the highest scores.
    """
    if not (machines := _slot_machines(module)):
        raise UserError("this module is no slot machine and has no ticket; call slotify_ and train it before saving")
    require_nothing_on_top(machines)
    require_numbers(machines)
    tensors = _ordinary_state(module)
    weights = {}
    for one in machines:
        pool = one.selector.pool
        best = one.selector.best_option(one.trained) if chosen is None else chosen[one.name]
        options = best.reshape(-1).cpu().numpy()
        tensors[one.name] = torch.from_numpy(pack_options(options, pool.options))
        weights[one.name] = _described(pool, one.trained)
    record = {"blake2b": _NO_CHECKSUM.decode(), "format": _FORMAT, "weights": weights}
    layout = torch.contiguous_format
    content = save(
        # Clones, because safetensors refuses tied weights, which share their memory.
        {name: whole(value.detach()).cpu().clone(memory_format=layout) for name, value in tensors.items()},
        # One entry only: safetensors writes several metadata entries in an order that changes from run to run.
        metadata={"ticket": json.dumps(record, separators=(",", ":"))},
    )
    before, after = content.split(_NO_CHECKSUM, 1)
    return before + _checksum(before, after) + after


def load_ticket(module: AnyModule, path: str | Path) -> AnyModule:
    """Put the weights of a ticket, and everything else it holds, into `module`, in place.

    The weights have the bits that `bake_` gave, or would have given, to the network that was saved, whatever the
    machine and the device. If anything is refused, `module` is as it was.

    Args:
        module: an ordinary network of the same layers, shapes and precision, or a slot machine made of one, with any
            K, seed and selection, which becomes an ordinary network as by `bake_`. Its parameters stay the same
            objects; make a new optimiser all the same, an old one would go on with its momentum.
        path: a file that `save_ticket` wrote. No code in it is run.

    Returns:
        `module`, an ordinary network without any parametrization of this library.

    Raises:
        UserError: the file is missing, damaged or no ticket, or the ticket of another network; or `module` has masks,
            trained scores, another parametrization on top of a slot machine, or a tensor that cannot be written to.
    """
    return put_(module, path, *read_ticket(path))


def put_(
    module: AnyModule, path: str | Path, weights: dict[str, TicketWeight], tensors: dict[str, Tensor]
) -> AnyModule:
    """Put what was read from a file into `module`, as `load_ticket` does; without `weights`, all tensors are ordinary.

    Raises:
        UserError: as `load_ticket`; `path` is named in it.
    """
    targets = _ordinary_state(module)
    require_same_network(path, weights, tensors, targets)
    values = {
        name: _selected(path, name, tensors[name], weights[name], target.device) if name in weights else tensors[name]
        for name, target in targets.items()
    }
    require_same_ties(path, targets, values)
    for name, target in targets.items():
        require_writable(name, target)
    if _slot_machines(module):
        bake_(module)
    with torch.no_grad():
        for name, target in _ordinary_state(module).items():
            fill_(target, values[name])
    return module


def _slot_machines(module: nn.Module) -> list[Selected[SlotMachine]]:
    """The slot machines within a module, under each of their names; there may be none.

    Raises:
        UserError: something else selects a weight, such as a mask, which a ticket cannot hold.
    """
    found = []
    for one in weight_selectors(module, every_name=True):
        if not isinstance(one.selector, SlotMachine):
            raise UserError(
                f"{one.name} is selected by {type(one.selector).__name__}, and a ticket holds slot machines of "
                "slotify_ only; use an ordinary network, or keep the state_dict"
            )
        found.append(Selected(one.name, one.layer, one.tensor, one.selector))
    return found


def _ordinary_state(module: nn.Module) -> dict[str, Tensor]:
    """The state dict that `bake_` would leave, but theta in the place of selected weights: of their shape and dtype."""
    selected = _slot_machines(module)
    prefixes = tuple(one.state_prefix for one in selected)
    state = module.state_dict(keep_vars=True)
    ordinary: dict[str, Any] = {name: value for name, value in state.items() if not name.startswith(prefixes)}
    ordinary |= {one.name: one.trained for one in selected}
    for name, value in ordinary.items():
        if not isinstance(value, Tensor) or is_lazy(value) or value.is_meta:
            raise UserError(
                f"{name} is no tensor with numbers in it; run the network once if it is lazy, "
                "take it off the meta device, or leave out the module that keeps other state"
            )
    return ordinary


def _described(pool: OptionPool, theta: Tensor) -> dict[str, Any]:
    return {
        "shape": list(theta.shape),
        "dtype": str(theta.dtype)[6:],
        "seed": pool.seed,
        "name": pool.name,
        "options": pool.options,
        "value_bound": float(pool.value_bound).hex(),
        "score_bound": float(pool.score_bound).hex(),
        "precision": str(pool.dtype)[6:],
        "sharing": pool.sharing,
    }


def _weight_of(record: dict[str, Any]) -> TicketWeight:
    """The inverse of `_described`; raises a ValueError or TypeError where there is none."""
    is_pool = type(record["seed"]) is type(record["options"]) is int and type(record["name"]) is str
    shape = tuple(record["shape"])
    if not (
        is_pool and 0 < record["options"] <= MOST_OPTIONS and all(type(size) is int and size >= 0 for size in shape)
    ):
        raise ValueError("no slot machine is made of that")
    pool = OptionPool(
        seed=record["seed"],
        name=record["name"],
        options=record["options"],
        value_bound=float.fromhex(record["value_bound"]),
        score_bound=float.fromhex(record["score_bound"]),
        dtype=_DTYPES[record["precision"]],
        sharing=record["sharing"],
    )
    return TicketWeight(shape, _DTYPES[record["dtype"]], pool)


def _checksum(before: bytes, after: bytes) -> bytes:
    """BLAKE2b of the whole file, in which zeros stand between the bytes before and after the checksum."""
    return hashlib.blake2b(before + _NO_CHECKSUM + after, digest_size=32).hexdigest().encode()


def read_ticket(path: str | Path) -> tuple[dict[str, TicketWeight], dict[str, Tensor]]:
    """The selected weights, and all tensors, of an undamaged ticket."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; give a file that save_ticket wrote") from None
    found = _CHECKSUM.search(content)
    if not found:
        raise UserError(f"{path} is no ticket, or its beginning is damaged; give a file that save_ticket wrote")
    if found[1] != _checksum(content[: found.start(1)], content[found.end(1) :]):
        raise UserError(f"{path} is damaged, its checksum is wrong; copy it again, or save it again")
    try:
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        record = json.loads(header["__metadata__"]["ticket"])
        if record["format"] == _FORMAT:
            return {name: _weight_of(weight) for name, weight in record["weights"].items()}, load(content)
    except (SafetensorError, AttributeError, KeyError, TypeError, ValueError):
        raise UserError(f"{path} was not written by save_ticket; give a file that was") from None
    raise UserError(f"{path} has format {record['format']}, this version reads {_FORMAT}; install a newer version")


def options_of(path: str | Path, name: str, packed: Tensor, weight: TicketWeight) -> NDArray[np.int64]:
    """The option of each connection of a weight, (n,), of the packed tensor that a ticket holds."""
    connections, count = math.prod(weight.shape), weight.pool.options
    if packed.shape == (math.ceil(connections * bits_of(count) / 8),) and packed.dtype == torch.uint8:
        options = unpack_options(packed.numpy(), connections, count)
        if (options < count).all():
            return options
    raise UserError(f"{path} selects options of {name} that there are not; give a file that save_ticket wrote")


def _selected(path: str | Path, name: str, packed: Tensor, weight: TicketWeight, device: torch.device) -> Tensor:
    """The values of the selected options, of the shape of the weight."""
    options = torch.from_numpy(options_of(path, name, packed, weight)).to(device)
    return weight.pool.values_of(options).to(weight.dtype).view(weight.shape)
