"""Refuse a ticket that does not fit a network, before any of it is loaded."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from slotmachines.errors import UserError
from slotmachines.slots.random_options import OptionPool

_WRAPPERS = ("module.", "_orig_mod.")
"""What DataParallel and DistributedDataParallel, and torch.compile, put before the names of a network."""

_COUNTER = "n_averaged"
"""What `torch.optim.swa_utils.AveragedModel` adds to the names of the network that it wraps."""


class TicketWeight(NamedTuple):
    """What a ticket says of one selected weight, besides the selection."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    pool: OptionPool


def require_same_network(
    path: str | Path, weights: dict[str, TicketWeight], tensors: dict[str, Tensor], targets: dict[str, Tensor]
) -> None:
    """Names, shapes and precision of a ticket are those of a network."""
    if wrapped := _way_around_wrapper(tensors, targets):
        raise UserError(f"{path}: {wrapped}")
    other = f"{path} is the ticket of another network"
    for some, more, where in ((tensors, targets, "this network"), (targets, tensors, "the ticket")):
        if lacking := [name for name in some if name not in more]:
            raise UserError(f"{other}: {where} has no {', '.join(lacking[:3])}; build the network that was trained")
    for name, target in targets.items():
        shape, dtype = weights[name][:2] if name in weights else (tuple(tensors[name].shape), tensors[name].dtype)
        if shape != target.shape:
            raise UserError(
                f"{other}: {name} is {shape} there, and {tuple(target.shape)} here; build the network that was trained"
            )
        if dtype != target.dtype:
            raise UserError(
                f"{path} holds {name} in {str(dtype)[6:]}, the network in {str(target.dtype)[6:]}; "
                f"convert the network by .to({dtype}) before loading, and back afterwards if you like"
            )


def _way_around_wrapper(theirs: Collection[str], ours: Collection[str]) -> str:
    """What to do if the names differ by the prefix of a wrapper only; blank otherwise."""
    if set(theirs) - {_COUNTER} == {_WRAPPERS[0] + name for name in ours} != set(theirs):
        return "an AveragedModel was saved; save the network within it: save_ticket(averaged.module, path)"
    for prefix in _WRAPPERS:
        if set(theirs) == {prefix + name for name in ours}:
            return (
                f"a wrapped network was saved, so all names in it begin with {prefix!r}: load the ticket into "
                f"nn.ModuleDict({{{prefix[:-1]!r}: network}})"
            )
        if set(ours) == {prefix + name for name in theirs}:
            return (
                f"this network is wrapped, so all its names begin with {prefix!r}: load the ticket into "
                f"network.{prefix[:-1]}"
            )
    return ""


def require_same_ties(path: str | Path, targets: dict[str, Tensor], values: dict[str, Tensor]) -> None:
    """Parameters that are one in the network have the same numbers in the ticket."""
    first: dict[int, str] = {}
    for name, target in targets.items():
        tied = first.setdefault(id(target), name)
        if tied != name and not torch.equal(values[tied].cpu(), values[name].cpu()):
            raise UserError(f"{tied} and {name} are one weight in this network and two in {path}; untie them first")


def require_writable(name: str, target: Tensor) -> None:
    """A tensor takes new numbers, so that loading cannot fail halfway."""
    if target.is_inference() or any(
        stride == 0 < size - 1 for stride, size in zip(target.stride(), target.shape, strict=True)
    ):
        raise UserError(
            f"{name} cannot be written to, because it was made in inference mode or by expand; replace it by a clone"
        )
