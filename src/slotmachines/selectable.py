"""The weights of a network: which of them can be selected, and which are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.parameter import is_lazy
from torch.nn.utils import parametrize

SLOT_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
"""Layers whose parameter `weight` holds one number per connection."""

_PROJECTIONS = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")  # of nn.MultiheadAttention
_NORMALISATION = (_NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)


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


Selector = TypeVar("Selector", bound=WeightSelector, covariant=True)


class Place(NamedTuple):
    """A weight tensor that can be selected.

    Attributes:
        name: its name within the module given, such as "dense1.weight".
        layer: the module that holds it.
        tensor: its name within the layer, such as "weight".
    """

    name: str
    layer: Any
    tensor: str

    @property
    def fans(self) -> Sequence[int]:
        """The shape that says how many connections meet in a unit, as `slotmachines.distributions` takes it.

        That of the weight, but (dimension, 1) of an embedding: an output is one number of one row, so its fan-in is 1.
        """
        shape: Sequence[int] = getattr(self.layer, self.tensor).shape
        return (shape[1], 1) if isinstance(self.layer, nn.Embedding) else shape


class Selected(NamedTuple, Generic[Selector]):
    """A weight tensor that is selected: a `Place` and what selects there."""

    name: str
    layer: Any
    tensor: str
    selector: Selector

    @property
    def trained(self) -> Tensor:
        """The trained parameter that stands in the place of the weight."""
        trained: Tensor = self.layer.parametrizations[self.tensor].original
        return trained

    @property
    def state_prefix(self) -> str:
        """What the names of its own entries in the state dict of the module given begin with."""
        return f"{self.name.removesuffix(self.tensor)}parametrizations.{self.tensor}."


def selectable(
    module: nn.Module, filter_fn: Callable[[nn.Module, str], bool] | None = None, *, embeddings: bool = False
) -> list[Place]:
    """Every weight tensor within `module` to be selected.

    These are the weights of Linear and Conv layers, the projections of attention (its output projection is a Linear
    layer of its own), and on request the rows of embeddings. Biases, normalisation, and parameters that a module holds
    under a name that does not begin with "weight", such as the position embedding of a vision transformer, are not.

    Args:
        filter_fn: leaves out the layers for which filter_fn(layer, name) is false. It is asked about layers that can
            be converted or would be refused, and about no others.
        embeddings: take the weights of nn.Embedding too.

    Raises:
        ValueError: there is none, or one that was not left out is parametrized already, computed from other
            parameters, tied to another weight or without a shape yet; a layer has weights of a kind that cannot be
            selected, such as those of recurrent layers; an embedding pads, limits its norm or has sparse gradients.
    """
    places = []
    for name, layer in module.named_modules():
        tensors, refused = _tensors(layer, embeddings), _unknown_weights(layer)
        if (tensors or refused) and (filter_fn is None or filter_fn(layer, name)):
            if refused:
                kind = parametrize.type_before_parametrizations(layer).__name__
                raise ValueError(
                    f"{_joined(name, refused[0])}: weights of {kind} cannot be selected, and would be trained; "
                    "leave the layer out by filter_fn"
                )
            places += [Place(_joined(name, tensor), layer, tensor) for tensor in tensors]
    if not places:
        raise ValueError("there is no Linear, Conv or attention layer to make a slot machine of")
    owners: dict[int, list[str]] = {}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        owners.setdefault(id(parameter), []).append(name)
    for place in places:
        _require_selectable(place, owners)
    return places


def select_by_(place: Place, selector: nn.Module) -> None:
    """Let `selector`, a `WeightSelector`, select the weight at a place."""
    # The check that `unsafe` leaves out would draw a sample, and so take numbers from torch's generator.
    parametrize.register_parametrization(place.layer, place.tensor, selector, unsafe=True)


def weight_selectors(module: nn.Module, *, every_name: bool = False) -> Iterator[Selected[WeightSelector]]:
    """Every weight tensor within `module` that is selected, whatever selects; there may be none.

    Args:
        every_name: a layer that stands in several places comes under each of its names, as in a state dict.
    """
    for name, layer in module.named_modules(remove_duplicate=not every_name):
        if parametrize.is_parametrized(layer):
            for tensor, parametrizations in layer.parametrizations.items():
                if isinstance(parametrizations[0], WeightSelector):
                    yield Selected(_joined(name, tensor), layer, tensor, parametrizations[0])


def _joined(layer_name: str, tensor: str) -> str:
    return f"{layer_name}.{tensor}" if layer_name else tensor


def _tensors(layer: nn.Module, embeddings: bool) -> list[str]:
    """The names of the tensors of a layer that the method is about."""
    if isinstance(layer, SLOT_LAYERS) or (embeddings and isinstance(layer, nn.Embedding)):
        return ["weight"]
    if isinstance(layer, nn.MultiheadAttention):
        return [name for name in _parameters(layer) if name in _PROJECTIONS]
    return []


def _unknown_weights(layer: nn.Module) -> list[str]:
    """The names of the weights of a layer of a kind that is not known here: tensors of two or more dimensions."""
    if isinstance(layer, (*SLOT_LAYERS, nn.MultiheadAttention, nn.Embedding, *_NORMALISATION)):
        return []
    return [
        name
        for name, parameter in _parameters(layer).items()
        if name.startswith("weight") and (parameter is None or is_lazy(parameter) or parameter.ndim > 1)
    ]


def _parameters(layer: nn.Module) -> dict[str, nn.Parameter | None]:
    """A layer's own parameters by name; None where one is parametrized, as computing it may have side effects."""
    parametrized: Any = layer.parametrizations if parametrize.is_parametrized(layer) else ()
    return {**dict.fromkeys(parametrized), **dict(layer.named_parameters(recurse=False, remove_duplicate=False))}


def _require_selectable(place: Place, owners: dict[int, list[str]]) -> None:
    """Refuse what cannot be selected; `owners` has all names of a parameter by its id."""
    name, layer, tensor = place
    if parametrize.is_parametrized(layer, tensor):
        raise ValueError(f"{name} is parametrized already; a weight can be one slot machine only")
    weight = getattr(layer, tensor)
    if not isinstance(weight, nn.Parameter):
        raise ValueError(
            f"{name} is computed from other parameters, as by weight_norm or pruning; "
            "make it a parameter again, or leave it out by filter_fn"
        )
    if is_lazy(weight):
        raise ValueError(f"{name} has no shape yet; run the network once before slotify_")
    if len(owners[id(weight)]) > 1:
        raise ValueError(
            f"{' and '.join(owners[id(weight)])} are one tied weight; untie it, or leave it out by filter_fn"
        )
    if isinstance(layer, nn.Embedding):
        _require_plain_embedding(name, layer)


def _require_plain_embedding(name: str, embedding: nn.Embedding) -> None:
    """Refuse an embedding whose rows are more than looked up."""
    reasons = {
        "padding_idx keeps a row of zeros": embedding.padding_idx is not None,
        "max_norm rescales its rows": embedding.max_norm is not None,
        "sparse gradients leave out the rows that weight decay has to reach": embedding.sparse,
    }
    for reason, applies in reasons.items():
        if applies:
            raise ValueError(f"{name} cannot be selected: {reason}; change that, or leave the layer out by filter_fn")
