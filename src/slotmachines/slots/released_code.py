"""Slot machines of the authors' released code (October 2020), read from its files. docs/released-code.md says more."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils import parametrize

from slotmachines.attachment import select_by_
from slotmachines.errors import UserError
from slotmachines.layer_kinds import SLOT_LAYERS
from slotmachines.selectable import AnyModule
from slotmachines.slots.dense import DenseSlotMachine
from slotmachines.slots.machine import Selection

_State = Mapping[str, Tensor]
_CHOICE = ("weight", "score")
_REMEDY = "build the network that was trained, or say by `names` which layer is which"


def load_released_checkpoint_(
    module: AnyModule, path: str | Path, *, selection: Selection = "greedy", names: Mapping[str, str] | None = None
) -> AnyModule:
    """Make an ordinary network the slot machine that a file of the authors' released code holds, in place.

    Each weight of a Linear, Conv1d, Conv2d or Conv3d layer becomes a choice among the K values of the file by its K
    scores, and evaluation selects what the argmax of those scores selects. Training moves all K scores (paper, section
    3; `slots.dense`). Everything else, such as the statistics of batch normalisation, is copied. If anything is
    refused, `module` is as it was.

    Layers are matched by their names where the file and `module` have the same ones, otherwise by their order.

    Args:
        module: an ordinary network of the same layers, shapes and precision, such as `build_network` makes.
        path: a file that torch.save wrote of a state dict, or of a dict that holds one beside other things: for each
            layer `weight`, the values, and `score`, both of shape (*weight.shape of the layer, K). Of DataParallel the
            prefix "module." is left out. No code in the file is run.
        selection: the rule in training mode, which the file does not say.
        names: name of a layer in `module` -> its name in the file, for layers that are to be matched otherwise.

    Returns:
        `module`.

    Raises:
        UserError: the file is missing, damaged, holds more than plain data, no scores, numbers that are not finite, or
            another network; `names` has an unknown layer; or `module` has no layer that can choose.

    Example:
        >>> network = load_released_checkpoint_(build_network("lenet"), "init_weights_8.pt")
    """
    if selection not in ("greedy", "probabilistic"):
        raise UserError(f"unknown selection {selection!r}: use 'greedy' or 'probabilistic'")
    layers = _slot_layers(module)
    ours, theirs = _by_layer(module.state_dict()), _by_layer(_read(path))
    matches = _matched(path, ours, theirs, names or {})
    for name, other in matches.items():
        _require_fit(path, other, theirs[other], name, ours[name], chooses=name in layers)
    ordinary = {
        _entry(name, part): tensor
        for name, other in matches.items()
        for part, tensor in theirs[other].items()
        if name not in layers or part not in _CHOICE
    }
    module.load_state_dict(ordinary, strict=False)  # what is missing is chosen
    for name, layer in layers.items():
        values, scores = (theirs[matches[name]][part].to(layer.weight.device) for part in _CHOICE)
        select_by_([(layer, "weight")], DenseSlotMachine(values, scores, selection))
    return module


def _slot_layers(module: nn.Module) -> dict[str, Any]:
    """The layers of which each gets values and scores, by name."""
    layers: dict[str, Any] = {name: m for name, m in module.named_modules() if isinstance(m, SLOT_LAYERS)}
    if not layers:
        raise UserError("there is no Linear or Conv layer to make a slot machine of; give the network that was trained")
    uses = Counter(id(parameter) for _, parameter in module.named_parameters(remove_duplicate=False))
    for name, layer in layers.items():
        weight = _entry(name, "weight")
        if parametrize.is_parametrized(layer, "weight"):
            raise UserError(f"{weight} is parametrized already; give an ordinary network, a new one or one after bake_")
        if is_lazy(layer.weight) or layer.weight.is_meta:
            raise UserError(f"{weight} has no numbers yet; run the network once, or take it off the meta device")
        if uses[id(layer.weight)] > 1:
            raise UserError(f"{weight} is tied to another weight; untie it, the released code ties none")
    return layers


def _read(path: str | Path) -> dict[str, Tensor]:
    """The one state dict with scores in a file, without the prefix of DataParallel."""
    content = _content(path)
    found = [state for state in (content, *_values(content)) if _is_state(state)]
    if not found:
        raise UserError(f"{path} holds no state dict; give a file that torch.save wrote of one")
    states = [state for state in found if any(name.rpartition(".")[2] == "score" for name in state)]
    if not states:
        raise UserError(
            f"{path} holds no scores, so it is no slot machine; "
            "selected weights, in files named subnet_..., are read as docs/released-code.md shows"
        )
    if len(states) > 1:
        raise UserError(f"{path} holds {len(states)} slot machines; save the state dict of the one you want alone")
    prefix = "module." if all(name.startswith("module.") for name in states[0]) else ""
    return {name.removeprefix(prefix): tensor.detach() for name, tensor in states[0].items()}


def _content(path: str | Path) -> Any:
    try:
        file = Path(path).open("rb")  # noqa: SIM115, because errors of opening and of reading differ
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; give a file of the released code") from None
    with file:
        try:
            if zipfile.is_zipfile(file) and (wrong := zipfile.ZipFile(file).testzip()):
                raise ValueError(wrong)  # torch.load does not compare the checksums
            file.seek(0)
            return torch.load(file, map_location="cpu", weights_only=True)
        except Exception:  # of many kinds, depending on which bytes are wrong
            raise UserError(
                f"{path} is damaged, or holds more than plain data, which could run code and is not loaded; "
                "copy it again, or save the state dict of the network alone"
            ) from None


def _values(content: Any) -> Iterable[Any]:
    return content.values() if isinstance(content, dict) else ()


def _is_state(content: Any) -> bool:
    if not isinstance(content, dict) or not content:
        return False
    return all(  # names stand in messages of one line
        isinstance(name, str) and name.isprintable() and isinstance(value, Tensor) for name, value in content.items()
    )


def _by_layer(state: _State) -> dict[str, dict[str, Tensor]]:
    """Name of the layer -> name of the part, such as "weight" -> tensor, in the order of the state dict."""
    layers: dict[str, dict[str, Tensor]] = {}
    for name, tensor in state.items():
        layer, _, part = name.rpartition(".")
        layers.setdefault(layer, {})[part] = tensor
    return layers


def _entry(layer: str, part: str) -> str:
    return f"{layer}.{part}" if layer else part


def _matched(
    path: str | Path, ours: Collection[str], theirs: Collection[str], names: Mapping[str, str]
) -> dict[str, str]:
    """Name of each layer in the module -> its name in the file."""
    for given, known, where in ((names.keys(), ours, "the network"), (names.values(), theirs, path)):
        if unknown := [name for name in given if name not in known]:
            raise UserError(f"names: {where} has no layer {unknown[0]!r}; its layers are {', '.join(known)}")
    rest = [name for name in ours if name not in names]
    others = [name for name in theirs if name not in names.values()]
    if len(rest) != len(others):
        raise UserError(
            f"{path} is of another network: its layers {', '.join(others) or '(none)'} "
            f"do not correspond to {', '.join(rest) or '(none)'} here; {_REMEDY}"
        )
    pairs = {**names, **dict(zip(rest, rest if set(rest) == set(others) else others, strict=True))}
    return {name: pairs[name] for name in ours}


def _require_fit(path: str | Path, other: str, held: _State, name: str, needed: _State, *, chooses: bool) -> None:
    """The layer `other` of the file has the parts, shapes and precision of the layer `name` of the module."""
    expected = dict(needed, score=needed["weight"]) if chooses else needed
    if lacking := [part for part in expected if part not in held]:
        raise UserError(
            f"{path} has no {_entry(other, lacking[0])}, "
            f"of shape {_shape(expected[lacking[0]], lacking[0], chooses)} for {name}; {_REMEDY}"
        )
    if surplus := [part for part in held if part not in expected]:
        raise UserError(f"{path} holds {_entry(other, surplus[0])}, for which {name} has no place; {_REMEDY}")
    for part, tensor in held.items():
        entry, target = _entry(other, part), expected[part]
        shape = tuple(tensor.shape)
        if (shape[:-1] if chooses and part in _CHOICE else shape) != target.shape or 0 in shape[-1:]:
            raise UserError(
                f"{path}: {entry} is {shape}, {_entry(name, part)} needs {_shape(target, part, chooses)}; {_REMEDY}"
            )
        if tensor.dtype != target.dtype:
            raise UserError(
                f"{path} holds {entry} in {str(tensor.dtype)[6:]}, the network in {str(target.dtype)[6:]}; "
                f"convert the network by .to({tensor.dtype}) before, and back afterwards if you like"
            )
        if not tensor.isfinite().all():
            raise UserError(f"{path}: {entry} holds numbers that are not finite; give a file from before they appeared")
    if chooses and held["weight"].shape != held["score"].shape:
        values, scores = (held[part].shape[-1] for part in _CHOICE)
        raise UserError(
            f"{path}: {_entry(other, 'weight')} has {values} values and {_entry(other, 'score')} {scores} scores "
            "per connection; give a file with as many of both"
        )


def _shape(tensor: Tensor, part: str, chooses: bool) -> str:
    if chooses and part in _CHOICE:
        return f"({', '.join(map(str, tensor.shape))}, K)"
    return str(tuple(tensor.shape))
