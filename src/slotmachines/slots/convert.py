"""Turn a network into a slot machine in place, look at its choice, and turn it back into an ordinary network."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from slotmachines.selectable import Selected, Selector, select_by_, selectable, weight_selectors
from slotmachines.sharded import is_split, whole
from slotmachines.slots.device_memory import require_memory
from slotmachines.slots.machine import Selection, SlotMachine
from slotmachines.slots.random_options import OptionPool, Sharing, value_bound_of

_SAMPLING = 64 * 12  # bytes per option and thread: value and probability of 64 connections at a time (kernels/loops.py)


def slotify_(
    module: nn.Module,
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
) -> nn.Module:
    """Make `module` a slot machine, in place: each weight becomes a choice among K fixed random values.

    Every weight of a Linear, Conv1d, Conv2d or Conv3d layer, of the projections of nn.MultiheadAttention, and on
    request of an nn.Embedding is replaced by a parametrization; its parameter becomes theta, the one trained number per
    connection, and starts at zero. Train the module with any loop and `torch.optim.SGD(module.parameters(), ...)`, made
    **after** this call and with one weight decay for all of them: the scalar c of each weight has to decay as theta
    does. Of optimisers that are not linear in the gradient, such as Adam, the result is not that of training K scores.

    Everything else stays as it is, and is trained as before: biases (those of attention included), normalisation, and
    parameters that a module holds under other names than "weight...", such as the class token and the position
    embedding of a vision transformer. Weights that cannot be selected are refused: those of recurrent, transposed,
    bilinear and other layers. `filter_fn` leaves such a layer out; it then stays as it is too.

    Args:
        module: any module whose weights to be selected are float32 or float64.
        options: K, the number of values per connection, at least 1. With K = 1 nothing is left to choose.
        selection: "greedy" uses the option with the highest score; "probabilistic" draws from the softmax of the
            scores in training mode, and uses the highest score in evaluation mode.
        seed: values and initial scores depend on it, on the weight's name in `module`, and on nothing else.
        value_bound: b of the values U(-b, b), a name of `slotmachines.distributions.VALUE_BOUNDS` or a number, or
            value_bound(layer), either of them. Names take the shape of the tensor: as in PyTorch's own initialisation,
            that of the packed projections of attention is (3 embed_dim, embed_dim). An embedding looks up a row by a
            one-hot vector, so its fan-in is 1 and its fan-out the dimension.
        score_range: the initial scores are U(0, r b) with this r, or with r = score_range(layer).
        sharing: "none" gives each connection K values of its own; "layer" gives all connections of a layer the same K
            values, "network" all layers the same ones up to their value bound. Scores stay per connection.
        filter_fn: leaves out the layers for which filter_fn(layer, name) is false. It is asked about layers that can
            be converted or would be refused, among them attention and, by itself, its `out_proj`.
        embeddings: convert nn.Embedding too. They stay ordinary by default, because an embedding is often tied to the
            last layer, keeps a row of zeros for padding, and is an input rather than a connection: a row gets a
            gradient only from the examples it occurs in, so that its options are chosen on few updates.
        compiled: use kernels compiled by Numba on a processor and by Triton on a GPU, where they are installed; False
            uses plain PyTorch. Both select the same weights.

    Returns:
        `module`.

    Raises:
        ValueError: K < 1 or > 2^32, a seed of more than 64 bits, an unknown selection, value bound or sharing, a score
            range that is negative or not finite, numbers that the weight's precision cannot hold, or weights that
            cannot be selected (`slotmachines.selectable.selectable`).
        TypeError: a weight is neither float32 nor float64, or the seed is no integer.
        MemoryError: probabilistic sampling of so many options would not fit into memory.

    Example:
        >>> network = slotify_(build_network("lenet"), options=8)
        >>> optimiser = torch.optim.SGD(network.parameters(), lr=0.2, momentum=0.9, weight_decay=1e-4)
    """
    if not 1 <= options < math.inf or options != int(options):
        raise ValueError(f"a connection needs a whole number of options, at least 1, not {options}")
    if selection not in ("greedy", "probabilistic"):
        raise ValueError(f"unknown selection {selection!r}: use 'greedy' or 'probabilistic'")
    if options > 2**32:
        raise ValueError(f"a connection can have at most 2^32 options, not {options}")
    options, seed = int(options), operator.index(seed)  # numpy's integers would name another stream of numbers
    if not -(2**63) <= seed < 2**63:
        raise ValueError(f"the seed must be a whole number of 64 bits with a sign, not {seed}")
    places = selectable(module, filter_fn, embeddings=embeddings)
    if selection == "probabilistic":
        require_memory([(torch.device("cpu"), _SAMPLING * options * torch.get_num_threads())], f"K = {options} options")
    machines = []
    for place in places:
        weight: nn.Parameter = getattr(place.layer, place.tensor)
        bound = value_bound_of(place.fans, value_bound(place.layer) if callable(value_bound) else value_bound)
        relative = score_range(place.layer) if callable(score_range) else score_range
        if not 0 <= relative < math.inf:
            raise ValueError(f"the score range must be finite and not negative, not {relative}")
        if weight.is_floating_point() and not _is_in_range(weight.dtype, bound, bound * relative):
            raise ValueError(f"{weight.dtype} cannot hold values up to {bound} and scores up to {bound * relative}")
        pool = OptionPool(seed, place.name, options, bound, bound * relative, weight.dtype, sharing)
        machines.append(SlotMachine(weight, pool, selection=selection, compiled=compiled))
    for place, machine in zip(places, machines, strict=True):  # only now, so that what is refused stays as it was
        select_by_(place, machine)
    return module


def bake_(module: nn.Module) -> nn.Module:
    """Make the selected weights (highest score) of a slot machine ordinary parameters, in place.

    Gradients are cleared. Make a new optimiser afterwards: an old one would go on with the momentum of theta.

    Returns:
        `module`, an ordinary network without any parametrization of this library.

    Raises:
        ValueError: `module` is no slot machine, another parametrization was put on top of one, or FSDP2 has split it.
    """
    selected = _required(weight_selectors(module))
    for name, layer, tensor, _ in selected:
        if len(layer.parametrizations[tensor]) > 1:
            raise ValueError(f"{name} has another parametrization on top; remove it before bake_")
        if is_split(layer.parametrizations[tensor].original):
            raise ValueError(
                f"{name} is split over processes by fully_shard, and cannot be baked in place; call save_ticket in all "
                "processes, or gather the state dict, and load that into a network that is not split"
            )
    for _, layer, tensor, selector in selected:
        # Not the attribute of the layer, which would be a sample that parametrize.cached() holds.
        weight = selector.best_weight(layer.parametrizations[tensor].original)
        # A deep copy shares the class of its layer, whose property for the weight is about to be deleted.
        shared = type(layer)
        layer.__class__ = type(shared.__name__, shared.__bases__, dict(vars(shared)))
        parametrize.remove_parametrizations(layer, tensor, leave_parametrized=False)
        parameter: nn.Parameter = getattr(layer, tensor)
        parameter.data.copy_(weight)
        parameter.grad = None
    return module


def selected_options(module: nn.Module) -> dict[str, Tensor]:
    """The option 0..K-1 that evaluation uses for each connection: weight name -> int64, of the weight's shape.

    Raises:
        ValueError: `module` is no slot machine.
    """
    return {one.name: one.selector.best_option(one.trained) for one in _required(weight_selectors(module))}


def option_table(module: nn.Module) -> dict[str, tuple[Tensor, Tensor]]:
    """All values and initial scores: weight name -> (values, scores), each of shape (*weight.shape, K).

    Raises:
        ValueError: `module` is no slot machine.
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
    """The state dict that `bake_` would leave, as copies, without changing `module`; of any network, its state dict."""
    selected = list(weight_selectors(module, every_name=True))
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
        every_name: a layer that stands in several places comes under each of its names, as in a state dict.

    Raises:
        ValueError: there is none.
    """
    found = weight_selectors(module, every_name=every_name)
    yield from _required(
        Selected(n, layer, t, machine) for n, layer, t, machine in found if isinstance(machine, SlotMachine)
    )


def _required(found: Iterable[Selected[Selector]]) -> list[Selected[Selector]]:
    if not (selected := list(found)):
        raise ValueError("this module is no slot machine; call slotify_ first")
    return selected


def _is_in_range(dtype: torch.dtype, value_bound: float, score_bound: float) -> bool:
    """Whether values, scores and their differences are finite in that precision, and the values not all zero."""
    limits = torch.finfo(dtype)
    return limits.tiny <= value_bound <= limits.max / 2 and score_bound <= limits.max / 2
