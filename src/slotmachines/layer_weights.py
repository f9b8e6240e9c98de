"""Which weights of one layer can be selected, which cannot and why, and which are frozen."""

from __future__ import annotations

import re
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils import parametrize

from slotmachines.errors import UserError
from slotmachines.layer_kinds import EMBEDDINGS, Fans, known_tensors

_ADDED = re.compile(r"(^|_)(pos(itions?|itional|_emb[a-z]*)?|bias(es)?)\d*(_|$)|(^|_)tokens?\d*$")
"""In the names of tensors that are added to activations, such as a table of positions (n, d), so are no connections.

Whole words count: `position_embedding` and `mask_token` are added, `positionwise` and `token_mix` are not.
"""

WAY_OUT = "leave the layer out by filter_fn"
_BLANK = " (the network itself holds this tensor, so the name of its layer is '')"


@runtime_checkable
class WeightSelector(Protocol):
    """What the parametrizations that select a weight have in common, such as `SlotMachine` and `DenseSlotMachine`.

    Each method takes the parameter that stands in the place of the weight, and returns a tensor of its shape.
    """

    def best_option(self, trained: Tensor, /) -> Tensor: ...

    def best_weight(self, trained: Tensor, /) -> Tensor: ...

    def choice(self, trained: Tensor, /) -> Tensor:
        """What tells two selections of the same weight apart, as cheaply as can be."""
        ...


class Candidate(NamedTuple):
    """A weight tensor of a layer that its handler would have selected."""

    name: str
    layer: nn.Module
    tensor: str
    fans: Fans


def candidates_of(name: str, layer: nn.Module, embeddings: bool) -> list[Candidate]:
    """The tensors of a layer that its handler would have selected, but for frozen ones; some may have to be refused."""
    if isinstance(layer, EMBEDDINGS) and not embeddings:
        return []
    return [
        Candidate(joined(name, tensor), layer, tensor, fans)
        for tensor, fans in known_tensors(layer).items()
        if fans is not None and not is_frozen(layer, tensor)
    ]


def unknown_weights(layer: nn.Module) -> list[str]:
    """The names of the trained tensors that may hold connections, and of which no handler knows.

    They are judged by their shape (`may_hold_connections`), but for those that are named as added, such as positions.
    """
    if isinstance(layer, EMBEDDINGS):
        return []
    known = known_tensors(layer)
    return [
        name
        for name, held in _held(layer).items()
        if name not in known
        and not _ADDED.search(name.lower())
        and any(tensor.requires_grad and may_hold_connections(tensor) for tensor in held)
    ]


def may_hold_connections(tensor: Tensor) -> bool:
    """Whether a parameter has the shape of connections: two dimensions or more, of which the first one is no 1.

    So have matrices, kernels and stacks of them. A bias or scale has not, nor a class token (1, 1, d) or a table of
    positions (1, n, d), which is added to each example.
    """
    return is_lazy(tensor) or (tensor.ndim > 1 and tensor.shape[0] > 1 and sum(size > 1 for size in tensor.shape) > 1)


def is_frozen(layer: nn.Module, tensor: str) -> bool:
    """Whether a tensor of a layer is not trained: neither itself nor, if it is computed, what it is computed from."""
    held = _held(layer)
    parameters = held.get(tensor) or [parameter for made_of in held.values() for parameter in made_of]
    return bool(parameters) and not any(parameter.requires_grad for parameter in parameters)


def unknown_kind(name: str, layer: nn.Module) -> str:
    """Why the weights of a layer of an unknown kind are refused; the network itself has a blank name."""
    kind = parametrize.type_before_parametrizations(layer).__name__
    return (
        f"weights of {kind} cannot be selected, and would be trained; {WAY_OUT}, "
        f"or say by slotmachines.register_layer what they are{'' if name else _BLANK}"
    )


def refusal(candidate: Candidate) -> Exception | None:
    """The error of a weight that cannot be selected."""
    name, layer, tensor, _ = candidate
    if parametrize.is_parametrized(layer, tensor):
        computed: Any = layer.parametrizations
        by = type(computed[tensor][0]).__name__
        if isinstance(computed[tensor][0], WeightSelector):
            return UserError(f"{name} is selected already, by {by}; call bake_ first, or {WAY_OUT}")
        return UserError(
            f"{name} is parametrized already, by {by}; call torch.nn.utils.parametrize.remove_parametrizations(layer, "
            f"{tensor!r}) first, or {WAY_OUT}"
        )
    weight = getattr(layer, tensor)
    if not isinstance(weight, nn.Parameter):
        return UserError(
            f"{name} is computed from other parameters, as by weight_norm or pruning; "
            f"make it a parameter again, or {WAY_OUT}"
        )
    if is_lazy(weight):
        return UserError(f"{name} has no shape yet; run the network once before")
    if weight.layout != torch.strided:
        return UserError(f"{name} is sparse; make it dense by .to_dense(), or {WAY_OUT}")
    if weight.dtype not in (torch.float32, torch.float64):
        return TypeError(
            f"{name}: weights must be float32 or float64, not {weight.dtype}; convert the module, or {WAY_OUT}"
        )
    if weight.numel() == 0:
        return UserError(f"{name} has no connections, its shape is {tuple(weight.shape)}; {WAY_OUT}")
    return None


def joined(layer_name: str, tensor: str) -> str:
    """The name of a tensor in a network."""
    return f"{layer_name}.{tensor}" if layer_name else tensor


def _held(layer: nn.Module) -> dict[str, list[Tensor]]:
    """A layer's own parameters by name; of a parametrized one, which is not computed for it, those it is made of."""
    parametrized: Any = layer.parametrizations if parametrize.is_parametrized(layer) else {}
    made_of = {name: [*parametrizations.parameters(recurse=False)] for name, parametrizations in parametrized.items()}
    own = {name: [tensor] for name, tensor in layer.named_parameters(recurse=False, remove_duplicate=False)}
    return {**made_of, **own}
