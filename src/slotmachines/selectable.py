"""The weights of a network: which of them can be selected, and which are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from torch import Tensor, nn
from torch.nn.utils import parametrize

from slotmachines.errors import UserError
from slotmachines.layer_kinds import EMBEDDINGS, Fans, known_tensors
from slotmachines.layer_weights import (
    WAY_OUT,
    Candidate,
    candidates_of,
    is_frozen,
    joined,
    refusal,
    unknown_kind,
    unknown_weights,
)
from slotmachines.layer_weights import WeightSelector as WeightSelector

AnyModule = TypeVar("AnyModule", bound=nn.Module)
"""The class of the user's network, which the functions that change it return."""

Site = tuple[Any, str]
"""A layer, and the name of a weight tensor that it holds."""


Selector = TypeVar("Selector", bound=WeightSelector, covariant=True)


class Place(NamedTuple):
    """A weight tensor that can be selected.

    Attributes:
        name: its name within the module given, such as "dense1.weight"; the first one of a tensor with several.
        layer: the module that holds it, the first one.
        tensor: its name within the layer, such as "weight".
        fans: (fan_in, fan_out) in that layer.
        ties: the other layers that hold the same tensor.
    """

    name: str
    layer: Any
    tensor: str
    fans: Fans
    ties: tuple[Site, ...] = ()

    @property
    def weight(self) -> nn.Parameter:
        weight: nn.Parameter = getattr(self.layer, self.tensor)
        return weight

    @property
    def sites(self) -> list[Site]:
        """Every layer that holds the tensor, and its name there."""
        return [(self.layer, self.tensor), *self.ties]


class Selected(NamedTuple, Generic[Selector]):
    """A weight tensor that is selected: a `Place` and what selects there."""

    name: str
    layer: Any
    tensor: str
    selector: Selector
    ties: tuple[Site, ...] = ()

    @property
    def trained(self) -> Tensor:
        """The trained parameter that stands in the place of the weight."""
        trained: Tensor = self.layer.parametrizations[self.tensor].original
        return trained

    @property
    def sites(self) -> list[Site]:
        """Every layer that holds the tensor, and its name there."""
        return [(self.layer, self.tensor), *self.ties]

    @property
    def state_prefix(self) -> str:
        """What the names of its own entries in the state dict of the module given begin with."""
        return f"{self.name.removesuffix(self.tensor)}parametrizations.{self.tensor}."


def selectable(
    module: nn.Module, filter_fn: Callable[[nn.Module, str], bool] | None = None, *, embeddings: bool = False
) -> list[Place]:
    """Every weight tensor within `module` to be selected.

    These are the weights of the kinds of layers of `slotmachines.layer_kinds`: Linear and convolutions (transposed
    ones too), recurrent and bilinear layers, the projections of attention, and on request the rows of embeddings.
    Biases, normalisation and frozen weights (`requires_grad` is false) are not. A weight that several layers hold is
    one place, with the name and the fans of the first of them.

    Args:
        filter_fn: leaves out the layers for which filter_fn(layer, name) is false. It is asked about layers that can
            be converted or would be refused, and about no others.
        embeddings: take the weights of nn.Embedding and nn.EmbeddingBag too.

    Raises:
        UserError: there is none, or one that was not left out is parametrized already, computed from other
            parameters, sparse, empty or without a shape yet, or tied to a tensor that would not be selected; a layer
            of an unknown kind trains a tensor that may hold connections (`unknown_weights`); an embedding pads, limits
            its norm or has sparse gradients.
        TypeError: `module` is no module, or a weight is neither float32 nor float64.
    """
    require_module(module)
    if not (filter_fn is None or callable(filter_fn)):
        raise TypeError(f"filter_fn must be a function of a layer and its name, not {filter_fn!r}")
    candidates, left_out = [], []
    for name, layer in layers_of(module):
        found, unknown = candidates_of(name, layer, embeddings), unknown_weights(layer)
        if not (found or unknown):
            continue
        if filter_fn is None or filter_fn(layer, name):
            for candidate in found:
                if error := refusal(candidate):
                    raise error
            if unknown:
                raise UserError(f"{joined(name, unknown[0])}: {unknown_kind(name, layer)}")
            candidates += found
        else:
            left_out.append(repr(name))
    if not candidates:
        raise UserError(_nothing_to_select(module, embeddings, left_out))
    return _places(candidates, _owners(module))


def require_module(module: object) -> None:
    """Raises a TypeError for what is no module."""
    if not isinstance(module, nn.Module):
        raise TypeError(f"a network is a torch.nn.Module, not {type(module).__name__}; give the network itself")


def layers_of(module: nn.Module, *, every_name: bool = False) -> Iterator[tuple[str, nn.Module]]:
    """The names and modules within `module`, but for what computes parametrized tensors."""
    for name, layer in module.named_modules(remove_duplicate=not every_name):
        if "parametrizations" not in name.split("."):
            yield name, layer


def weight_selectors(module: nn.Module, *, every_name: bool = False) -> Iterator[Selected[WeightSelector]]:
    """Every weight tensor within `module` that is selected, whatever selects; there may be none.

    Args:
        every_name: a weight that has several names, because several layers hold it or its layer stands in several
            places, comes under each of them, as in a state dict. Otherwise it comes once, under the first one.
    """
    require_module(module)
    found: dict[int, Selected[WeightSelector]] = {}
    for name, layer in layers_of(module, every_name=every_name):
        if parametrize.is_parametrized(layer):
            lists: Any = layer.parametrizations
            for tensor, parametrizations in lists.items():
                if isinstance(selector := parametrizations[0], WeightSelector):
                    one = Selected(joined(name, tensor), layer, tensor, selector)
                    if every_name:
                        yield one
                    elif first := found.get(id(selector)):
                        found[id(selector)] = first._replace(ties=(*first.ties, (layer, tensor)))
                    else:
                        found[id(selector)] = one
    yield from found.values()


def _owners(module: nn.Module) -> dict[int, list[tuple[str, Site]]]:
    """Of each parameter by its id: its names, and the layers that hold it."""
    owners: dict[int, list[tuple[str, Site]]] = {}
    for name, layer in layers_of(module):
        for tensor, parameter in layer.named_parameters(recurse=False, remove_duplicate=False):
            owners.setdefault(id(parameter), []).append((joined(name, tensor), (layer, tensor)))
    return owners


def _places(candidates: Sequence[Candidate], owners: dict[int, list[tuple[str, Site]]]) -> list[Place]:
    """One place for each tensor.

    Raises:
        UserError: a layer that is left out, or is to be trained, holds one of them too; an embedding does more than
            look up rows.
    """
    chosen = {candidate.name for candidate in candidates}
    places: dict[int, Place] = {}
    for name, layer, tensor, fans in candidates:
        weight = getattr(layer, tensor)
        if id(weight) not in places:
            owned = owners[id(weight)]
            names = [other for other, _ in owned]
            if left := [other for other in names if other not in chosen]:
                raise UserError(
                    f"{' and '.join(names)} are one tied weight, of which {left[0]} would stay trained; select both "
                    "(embeddings=True, if one is an embedding), untie it, or leave both out by filter_fn"
                )
            ties = tuple(site for other, site in owned if other != name)
            places[id(weight)] = Place(name, layer, tensor, fans, ties)
    for place in places.values():
        _require_plain_embeddings(place)
    return list(places.values())


def _require_plain_embeddings(place: Place) -> None:
    """Refuse an embedding whose rows are more than looked up."""
    embeddings: list[Any] = [layer for layer, _ in place.sites if isinstance(layer, EMBEDDINGS)]
    only_looked_up = len(embeddings) == len(place.sites)  # tied to an output layer, no row stays zero
    for embedding in embeddings:
        reasons = {
            "padding_idx keeps a row of zeros": embedding.padding_idx is not None and only_looked_up,
            "max_norm rescales its rows": embedding.max_norm is not None,
            "sparse gradients leave out the rows that weight decay has to reach": embedding.sparse,
        }
        for reason, applies in reasons.items():
            if applies:
                raise UserError(f"{place.name} cannot be selected: {reason}; change that, or {WAY_OUT}")


def _nothing_to_select(module: nn.Module, embeddings: bool, left_out: Sequence[str]) -> str:
    if left_out:
        return (
            f"filter_fn left out all layers that it was asked about: {', '.join(left_out[:3])}"
            f"{' and others' if left_out[3:] else ''}; let filter_fn(layer, name) be true for those to be selected"
        )
    frozen = [
        joined(name, tensor)
        for name, layer in layers_of(module)
        if embeddings or not isinstance(layer, EMBEDDINGS)
        for tensor, fans in known_tensors(layer).items()
        if fans is not None and is_frozen(layer, tensor)
    ]
    if frozen:
        return (
            f"there is nothing to select, as these weights are frozen: {', '.join(frozen[:3])}"
            f"{' and others' if frozen[3:] else ''}; call requires_grad_(True) on what is to be selected"
        )
    return "there is no Linear, Conv or attention layer to select weights of; summary(network) shows what there is"
