"""Turn a network into a slot machine in place, look at its choice, and turn it back into an ordinary network."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils import parametrize

from slotmachines.machine import Selection, SlotMachine
from slotmachines.memory import require_memory
from slotmachines.options import OptionPool, Sharing, value_bound_of

SLOT_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)

_SAMPLING = 64 * 12  # bytes per option and thread: value and probability of 64 connections at a time (kernels/loops.py)


@runtime_checkable
class WeightSelector(Protocol):
    """What the slot machines of one weight have in common, `SlotMachine` and `DenseSlotMachine`.

    Both take the parameter that stands in the place of the weight, and return a tensor of its shape.
    """

    def best_option(self, theta: Tensor, /) -> Tensor: ...

    def best_weight(self, theta: Tensor, /) -> Tensor: ...


Selector = TypeVar("Selector", bound=WeightSelector)


def slotify_(
    module: nn.Module,
    *,
    options: int,
    selection: Selection = "greedy",
    seed: int = 0,
    value_bound: str | float = "glorot-uniform",
    score_range: float | Callable[[nn.Module], float] = 1.0,
    sharing: Sharing = "none",
    filter_fn: Callable[[nn.Module, str], bool] | None = None,
    compiled: bool = True,
) -> nn.Module:
    """Make `module` a slot machine, in place: each weight becomes a choice among K fixed random values.

    Every weight of a Linear, Conv1d, Conv2d or Conv3d layer is replaced by a parametrization; its parameter becomes
    theta, the one trained number per connection, and starts at zero. Train the module with any loop and
    `torch.optim.SGD(module.parameters(), ...)`, made **after** this call and with one weight decay for all of them: the
    scalar c of each weight has to decay as theta does. Biases and other layers stay as they are. Of optimisers that are
    not linear in the gradient, such as Adam, the result is not that of training K scores.

    Args:
        module: any module whose Linear and Conv weights are float32 or float64.
        options: K, the number of values per connection, at least 1. With K = 1 nothing is left to choose.
        selection: "greedy" uses the option with the highest score; "probabilistic" draws from the softmax of the
            scores in training mode, and uses the highest score in evaluation mode.
        seed: values and initial scores depend on it, on the weight's name in `module`, and on nothing else.
        value_bound: b of the values U(-b, b), a name of `slotmachines.options.VALUE_BOUNDS` or a number.
        score_range: the initial scores are U(0, r b) with this r, or with r = score_range(layer).
        sharing: "none" gives each connection K values of its own; "layer" gives all connections of a layer the same K
            values, "network" all layers the same ones up to their value bound. Scores stay per connection.
        filter_fn: leaves out the Linear, Conv and attention layers for which filter_fn(layer, name) is false.
        compiled: use kernels compiled by Numba on a processor and by Triton on a GPU, where they are installed; False
            uses plain PyTorch. Both select the same weights.

    Returns:
        `module`.

    Raises:
        ValueError: K < 1 or > 2^32, a seed of more than 64 bits, an unknown selection, value bound or sharing, a score
            range that is negative or not finite, numbers that the weight's precision cannot hold, no layer to convert,
            a layer that is converted already, has no shape yet or shares its weight with another, or attention with a
            packed projection that the filter did not leave out.
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
    layers = _layers(module, filter_fn)
    if selection == "probabilistic":
        require_memory([(torch.device("cpu"), _SAMPLING * options * torch.get_num_threads())], f"K = {options} options")
    machines = {}
    for name, layer in layers.items():
        bound = value_bound_of(layer.weight.shape, value_bound)
        relative = score_range(layer) if callable(score_range) else score_range
        if not 0 <= relative < math.inf:
            raise ValueError(f"the score range must be finite and not negative, not {relative}")
        if layer.weight.is_floating_point() and not _is_in_range(layer.weight.dtype, bound, bound * relative):
            raise ValueError(
                f"{layer.weight.dtype} cannot hold values up to {bound} and scores up to {bound * relative}"
            )
        pool = OptionPool(seed, name, options, bound, bound * relative, layer.weight.dtype, sharing)
        machines[name] = SlotMachine(layer.weight, pool, selection=selection, compiled=compiled)
    for name, layer in layers.items():  # only now, so that what is refused stays as it was
        # The check that `unsafe` leaves out would draw a sample, and so take numbers from torch's generator.
        parametrize.register_parametrization(layer, "weight", machines[name], unsafe=True)
    return module


def bake_(module: nn.Module) -> nn.Module:
    """Make the selected weights (highest score) of a slot machine ordinary parameters, in place.

    Gradients are cleared. Make a new optimiser afterwards: an old one would go on with the momentum of theta.

    Returns:
        `module`, an ordinary network without any parametrization of this library.

    Raises:
        ValueError: `module` is no slot machine, or another parametrization was put on top of one.
    """
    selectors = _required(weight_selectors(module))
    for name, layer, _ in selectors:
        if len(layer.parametrizations.weight) > 1:
            raise ValueError(f"{name} has another parametrization on top; remove it before bake_")
    for _, layer, machine in selectors:
        weight = machine.best_weight(_theta(layer))  # layer.weight would be a sample that parametrize.cached() holds
        # A deep copy shares the class of its layer, whose property `weight` is about to be deleted.
        shared = type(layer)
        layer.__class__ = type(shared.__name__, shared.__bases__, dict(vars(shared)))
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
        layer.weight.data.copy_(weight)
        layer.weight.grad = None
    return module


def selected_options(module: nn.Module) -> dict[str, Tensor]:
    """The option 0..K-1 that evaluation uses for each connection: weight name -> int64, of the weight's shape.

    Raises:
        ValueError: `module` is no slot machine.
    """
    return {name: machine.best_option(_theta(layer)) for name, layer, machine in _required(weight_selectors(module))}


def option_table(module: nn.Module) -> dict[str, tuple[Tensor, Tensor]]:
    """All values and initial scores: weight name -> (values, scores), each of shape (*weight.shape, K).

    Raises:
        ValueError: `module` is no slot machine.
        MemoryError: the table would not fit into memory.
    """
    machines = [(name, _theta(layer), machine.pool) for name, layer, machine in slot_machines(module)]
    sizes = ((theta.device, 2 * pool.options * theta.nbytes) for _, theta, pool in machines)
    require_memory(sizes, "the option table")
    return {name: _table(pool, theta) for name, theta, pool in machines}


def _table(pool: OptionPool, theta: Tensor) -> tuple[Tensor, Tensor]:
    values, scores = pool.table(theta.numel(), theta.device)
    shape = (*theta.shape, pool.options)
    return values.T.reshape(shape).to(theta.dtype), scores.T.reshape(shape).to(theta.dtype)


def baked_state(module: nn.Module) -> dict[str, Tensor]:
    """The state dict that `bake_` would leave, as copies, without changing `module`; of any network, its state dict."""
    machines = list(weight_selectors(module, every_name=True))
    parts = tuple(f"{name.removesuffix('weight')}parametrizations.weight." for name, _, _ in machines)
    state = {name: value for name, value in module.state_dict().items() if not name.startswith(parts)}
    for name, layer, machine in machines:
        state[name] = machine.best_weight(_theta(layer))
    return {name: value.detach().clone() for name, value in state.items()}


def is_slot_machine(module: nn.Module) -> bool:
    """Whether any weight within `module` is that of a slot machine made by `slotify_`."""
    return any(isinstance(machine, SlotMachine) for _, _, machine in weight_selectors(module))


def slot_machines(module: nn.Module, *, every_name: bool = False) -> Iterator[tuple[str, Any, SlotMachine]]:
    """Weight name, layer and parametrization of each slot machine within `module` that `slotify_` made.

    Args:
        every_name: a layer that stands in several places comes under each of its names, as in a state dict.

    Raises:
        ValueError: there is none.
    """
    found = weight_selectors(module, every_name=every_name)
    yield from _required((name, layer, machine) for name, layer, machine in found if isinstance(machine, SlotMachine))


def weight_selectors(module: nn.Module, *, every_name: bool = False) -> Iterator[tuple[str, Any, WeightSelector]]:
    """As `slot_machines`, of any kind; there may be none."""
    for name, layer in module.named_modules(remove_duplicate=not every_name):
        if parametrize.is_parametrized(layer, "weight"):
            first = layer.parametrizations.weight[0]
            if isinstance(first, WeightSelector):
                yield _weight_name(name), layer, first


def _required(found: Iterable[tuple[str, Any, Selector]]) -> list[tuple[str, Any, Selector]]:
    if not (machines := list(found)):
        raise ValueError("this module is no slot machine; call slotify_ first")
    return machines


def _is_in_range(dtype: torch.dtype, value_bound: float, score_bound: float) -> bool:
    """Whether values, scores and their differences are finite in that precision, and the values not all zero."""
    limits = torch.finfo(dtype)
    return limits.tiny <= value_bound <= limits.max / 2 and score_bound <= limits.max / 2


def _weight_name(layer_name: str) -> str:
    return f"{layer_name}.weight" if layer_name else "weight"


def _theta(layer: Any) -> Tensor:
    theta: Tensor = layer.parametrizations.weight.original
    return theta


def _layers(module: nn.Module, filter_fn: Callable[[nn.Module, str], bool] | None) -> dict[str, Any]:
    """The layers to convert by the name of their weight."""
    candidates = [(n, m) for n, m in module.named_modules() if isinstance(m, (*SLOT_LAYERS, nn.MultiheadAttention))]
    kept = [(n, m) for n, m in candidates if filter_fn is None or filter_fn(m, n)]
    packed = [n for n, m in kept if isinstance(m, nn.MultiheadAttention)]
    if packed:
        raise ValueError(
            f"{packed[0]}: attention keeps its projections in one packed weight; leave it out by filter_fn"
        )
    layers = {_weight_name(n): m for n, m in kept if isinstance(m, SLOT_LAYERS)}
    if lazy := [n for n, m in layers.items() if is_lazy(m.weight)]:
        raise ValueError(f"{lazy[0]} has no shape yet; run the network once before slotify_")
    if not layers:
        raise ValueError("there is no Linear or Conv layer to make a slot machine of")
    owners: dict[int, list[str]] = {}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        owners.setdefault(id(parameter), []).append(name)
    for name, layer in layers.items():
        if parametrize.is_parametrized(layer, "weight"):
            raise ValueError(f"{name} is parametrized already; a weight can be one slot machine only")
        if len(owners[id(layer.weight)]) > 1:
            raise ValueError(
                f"{' and '.join(owners[id(layer.weight)])} are one tied weight; untie it, or leave it out by filter_fn"
            )
    return layers
