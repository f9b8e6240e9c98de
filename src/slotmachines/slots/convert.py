"""Turn a network into a slot machine in place, look at its choice, and turn it back into an ordinary network."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from typing import Any, cast

import torch
from torch import Tensor, nn

from slotmachines.arguments import real_number, seed_number, whole_number
from slotmachines.attachment import deselect_, select_by_
from slotmachines.distributions import bound_of
from slotmachines.errors import UserError, how_to_install
from slotmachines.foreign_state import accept_any_state_, refuse_foreign_state_
from slotmachines.selectable import (
    AnyModule,
    Selected,
    WeightSelector,
    selectable,
    weight_selectors,
)
from slotmachines.sharded import is_split, whole
from slotmachines.slots.device_memory import require_memory
from slotmachines.slots.machine import Selection, SlotMachine
from slotmachines.slots.random_options import MOST_OPTIONS, SHARINGS, OptionPool, Sharing

_NOT_SELECTED = "this module is no slot machine and has no masks; call slotify_ or mask_ first"
_SAMPLING = 64 * 12  # bytes per option and thread: value and probability of 64 connections at a time (kernels/loops.py)


def slotify_(
    module: AnyModule,
    *,
    options: int,
    selection: Selection = "greedy",
    seed: int = 0,
    value_bound: str | float | Callable[[nn.Module], str | float] = "glorot-uniform",
    score_range: float | Callable[[nn.Module], float] = 1.0,
    sharing: Sharing = "none",
    filter_fn: Callable[[nn.Module, str], bool] | None = None,
    embeddings: bool = False,
    compiled: bool = True,
) -> AnyModule:
    """Make `module` a slot machine, in place: each weight becomes a choice among K fixed random values.

    The weights of Linear, convolutional (transposed too), recurrent and bilinear layers, of the projections of
    nn.MultiheadAttention, and on request of nn.Embedding are replaced by a parametrization. The parameter of a weight
    becomes theta, the one trained number per connection, and starts at zero. Train the module with any loop and
    `torch.optim.SGD(module.parameters(), ...)`, made **after** this call and with one weight decay for all of them: the
    scalar c of each weight has to decay as theta does. Of optimisers that are not linear in the gradient, such as
    Adam, the result is not that of training K scores.

    These stay as they are:

    * biases, normalisation, and parameters that are added to each example, such as the class token (1, 1, d) and the
      position embedding (1, n, d) of a vision transformer. They are trained as before.
    * frozen weights, whose `requires_grad` is false: freezing asks that they do not change.
    * the layers that `filter_fn` leaves out.

    A trained tensor that may hold connections, but belongs to a kind of layer that is not known, is refused, as it
    would stay trained unnoticed. `filter_fn` leaves its layer out; `register_layer` says how to select it.
    `summary(module)` shows what was selected, what is trained and what is frozen. A weight that several layers hold is
    selected once, under its first name, and used in all of them; where a sample is drawn, each use draws its own.

    Args:
        module: any module whose weights to be selected are float32 or float64.
        options: K, the number of values per connection, at least 1. With K = 1 nothing is left to choose.
        selection: "greedy" uses the option with the highest score; "probabilistic" draws from the softmax of the
            scores in training mode, and uses the highest score in evaluation mode. It needs a much higher learning rate
            than biases and normalisation do: `parameter_groups` separates the two.
        seed: values and initial scores depend on it, on the weight's name in `module`, and on nothing else.
        value_bound: b of the values U(-b, b), a name of `slotmachines.distributions.VALUE_BOUNDS` or a number, or
            value_bound(layer), either of them. Names take the fans of the tensor (`slotmachines.layer_kinds`): as in
            PyTorch's own initialisation, the packed projections of attention have the shape (3 embed_dim, embed_dim).
            An embedding looks up a row by a one-hot vector, so its fan-in is 1 and its fan-out the dimension.
        score_range: the initial scores are U(0, r b) with this r, or with r = score_range(layer).
        sharing: "none" gives each connection K values of its own; "layer" gives all connections of a layer the same K
            values, "network" all layers the same ones up to their value bound. Scores stay per connection.
        filter_fn: leaves out the layers for which filter_fn(layer, name) is false. It is asked about layers that can
            be converted or would be refused, among them attention and, by itself, its `out_proj`.
        embeddings: convert nn.Embedding and nn.EmbeddingBag too. They stay ordinary by default, because an embedding
            is often tied to the last layer, keeps a row of zeros for padding, and is an input rather than a
            connection: a row gets a gradient only from the examples it occurs in, so that its options are chosen on few
            updates.
        compiled: use kernels compiled by Numba on a processor and by Triton on a GPU, where they are installed; False
            uses plain PyTorch. Both select the same weights.

    Returns:
        `module`.

    Raises:
        UserError: K < 1 or > 2^32, a seed of more than 64 bits, an unknown selection, value bound or sharing, a score
            range that is negative or not finite, numbers that the weight's precision cannot hold, or weights that
            cannot be selected (`slotmachines.selectable.selectable`). `module` is then as it was.
        TypeError: an argument is of a wrong type, or a weight is neither float32 nor float64.
        MemoryError: probabilistic sampling of so many options would not fit into memory.

    Example:
        >>> network = slotify_(build_network("lenet"), options=8)
        >>> optimiser = torch.optim.SGD(network.parameters(), lr=0.2, momentum=0.9, weight_decay=1e-4)
    """
    if isinstance(options, float) and options == options // 1 < math.inf:
        options = int(options)
    if isinstance(options, float) or (options := whole_number(options, "number of options")) < 1:
        raise UserError(f"a connection needs a whole number of options, at least 1, not {options}")
    if selection not in ("greedy", "probabilistic"):
        raise UserError(f"unknown selection {selection!r}: use 'greedy' or 'probabilistic'")
    if options > MOST_OPTIONS:
        raise UserError(f"a connection can have at most 2^32 options, not {options}")
    if sharing not in SHARINGS:
        raise UserError(f"unknown sharing {sharing!r}: use one of {', '.join(SHARINGS)}")
    seed = seed_number(seed)
    places = selectable(module, filter_fn, embeddings=embeddings)
    if selection == "probabilistic":
        require_memory([(torch.device("cpu"), _SAMPLING * options * torch.get_num_threads())], f"K = {options} options")
    machines = []
    for place in places:
        bound = bound_of(place.fans, value_bound(place.layer) if callable(value_bound) else value_bound)
        relative = real_number(score_range(place.layer) if callable(score_range) else score_range, "score range")
        if not 0 <= relative < math.inf:
            raise UserError(f"the score range must be finite and not negative, not {relative}")
        if not _is_in_range(place.weight.dtype, bound, bound * relative):
            raise UserError(
                f"{place.weight.dtype} cannot hold values up to {bound} and scores up to {bound * relative}"
            )
        pool = OptionPool(seed, place.name, options, bound, bound * relative, place.weight.dtype, sharing)
        machines.append(SlotMachine(place.weight, pool, selection=selection, compiled=compiled))
    is_slow = compiled and any(place.weight.device.type == "cpu" for place in places) and not find_spec("numba")
    for place, machine in zip(places, machines, strict=True):  # only now, so that what is refused stays as it was
        select_by_(place.sites, machine)
    refuse_foreign_state_(module)
    if is_slow:
        warnings.warn(
            "numba is not installed, so weights on a processor are selected in plain PyTorch, which is several times "
            f"slower; {how_to_install('fast')}",
            stacklevel=2,
        )
    return module


def bake_(module: AnyModule) -> AnyModule:
    """Make the selected weights (highest score) of a slot machine, or those of masks, ordinary parameters, in place.

    Gradients are cleared. Make a new optimiser afterwards: an old one would go on with the momentum of theta.

    Returns:
        `module`, an ordinary network without any parametrization of this library.

    Raises:
        UserError: no weight of `module` is selected, another parametrization was put on top of one, its trained
            numbers hold NaN, or FSDP2 has split it.
    """
    selected = require_selected(module)
    require_bakeable(selected)
    for one in selected:
        # Not the attribute of the layer, which would be a sample that parametrize.cached() holds.
        deselect_(one, one.selector.best_weight(one.trained))
    accept_any_state_(module)
    return module


def require_bakeable(selected: list[Selected[Any]]) -> None:
    """Raises a UserError for what `bake_` refuses, before it changes anything."""
    require_nothing_on_top(selected)
    require_numbers(selected)
    for one in selected:
        if is_split(one.trained):
            raise UserError(
                f"{one.name} is split over processes by fully_shard, and cannot be baked in place; call save_ticket in "
                "all processes, or gather the state dict, and load that into a network that is not split"
            )


def require_nothing_on_top(selected: Iterable[Selected[Any]]) -> None:
    """Raises a UserError where another parametrization would be lost with the selection, such as spectral_norm."""
    for one in selected:
        if any(len(layer.parametrizations[tensor]) > 1 for layer, tensor in one.sites):
            raise UserError(
                f"{one.name} has another parametrization on top; before bake_, or before saving, call "
                f"del layer.parametrizations.{one.tensor}[1] (remove_parametrizations removes the selection, too)"
            )


def require_numbers(selected: Iterable[Selected[Any]]) -> None:
    """Raises a UserError where training has diverged: a NaN selects an option without telling."""
    for one in selected:
        if not is_split(one.trained) and one.trained.isnan().any():
            raise UserError(
                f"the trained numbers of {one.name} hold NaN, as training has diverged; go on from an earlier state, "
                "with a lower learning rate"
            )


def selected_options(module: nn.Module) -> dict[str, Tensor]:
    """The option 0..K-1 that evaluation uses for each connection: weight name -> int64, of the weight's shape.

    Of masks it is 1 where a connection is kept as it was drawn, and 0 elsewhere. A weight that several layers hold
    comes once, under its first name.

    Raises:
        UserError: no weight of `module` is selected.
    """
    return {one.name: one.selector.best_option(one.trained) for one in require_selected(module)}


def option_table(module: nn.Module) -> dict[str, tuple[Tensor, Tensor]]:
    """All values and initial scores: weight name -> (values, scores), each of shape (*weight.shape, K).

    Raises:
        UserError: `module` is no slot machine.
        MemoryError: the table would not fit into memory.
    """
    pools = [(one.name, one.trained, one.selector.pool) for one in slot_machines(module)]
    sizes = ((theta.device, 2 * pool.options * theta.nbytes) for _, theta, pool in pools)
    require_memory(sizes, "the option table")
    return {name: _table(pool, theta) for name, theta, pool in pools}


def _table(pool: OptionPool, theta: Tensor) -> tuple[Tensor, Tensor]:
    values, scores = pool.table(theta.numel(), theta.device)
    shape = (*theta.shape, pool.options)
    return values.T.reshape(shape).to(theta.dtype), scores.T.reshape(shape).to(theta.dtype)


def baked_state(module: nn.Module) -> dict[str, Tensor]:
    """The state dict that `bake_` would leave, as copies, without changing `module`; of any network, its state dict.

    Raises:
        UserError: another parametrization was put on top of a selected weight.
    """
    selected = list(weight_selectors(module, every_name=True))
    require_nothing_on_top(selected)
    prefixes = tuple(one.state_prefix for one in selected)
    state = {name: value for name, value in module.state_dict().items() if not name.startswith(prefixes)}
    state |= {one.name: one.selector.best_weight(one.trained) for one in selected}
    return {name: whole(value.detach()).clone() for name, value in state.items()}


def is_slot_machine(module: nn.Module) -> bool:
    """Whether any weight within `module` is that of a slot machine made by `slotify_`."""
    return any(isinstance(one.selector, SlotMachine) for one in weight_selectors(module))


def slot_machines(module: nn.Module, *, every_name: bool = False) -> Iterator[Selected[SlotMachine]]:
    """Every weight tensor within `module` that a slot machine made by `slotify_` selects.

    Args:
        every_name: a weight with several names comes under each of them, as in a state dict.

    Raises:
        UserError: there is none.
    """
    found = [one for one in weight_selectors(module, every_name=every_name) if isinstance(one.selector, SlotMachine)]
    if not found:
        masked = next(weight_selectors(module), None)
        raise UserError(
            f"this module is no slot machine: {masked.name} is selected by {type(masked.selector).__name__}"
            if masked
            else _NOT_SELECTED
        )
    for one in found:
        yield cast(Selected[SlotMachine], one)


def require_selected(module: nn.Module) -> list[Selected[WeightSelector]]:
    """Every weight within `module` that is selected.

    Raises:
        UserError: there is none.
    """
    if not (selected := list(weight_selectors(module))):
        raise UserError(_NOT_SELECTED)
    return selected


def _is_in_range(dtype: torch.dtype, value_bound: float, score_bound: float) -> bool:
    """Whether values, scores and their differences are finite in that precision, and the values not all zero."""
    limits = torch.finfo(dtype)
    return limits.tiny <= value_bound <= limits.max / 2 and score_bound <= limits.max / 2
