"""The random weights that rivals of slot machines fix, or start from: distributions of magnitudes, and signs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from slotmachines.arguments import real_number, seed_number
from slotmachines.distributions import DISTRIBUTIONS, kaiming
from slotmachines.errors import UserError
from slotmachines.selectable import AnyModule, Place, selectable
from slotmachines.slots.philox import key_of, philox, uniform

_CHUNK = 1 << 20  # numbers drawn at a time; bounds the memory, not the result
_WORD = 0xFFFFFFFF


def uniform_numbers(key: int, count: int, stream: int = 0) -> Tensor:
    """Numbers U[0, 1), float64 (count,), that depend on the key and the stream alone."""
    return _drawn(key, count, stream)[0]


def normal_numbers(key: int, count: int) -> Tensor:
    """Numbers N(0, 1), float64 (count,), by the transformation of Box and Muller (1958)."""
    first, second = _drawn(key, count, 0)
    return torch.sqrt(-2 * torch.log1p(-first)) * torch.cos(2 * math.pi * second)


def _drawn(key: int, count: int, stream: int) -> tuple[Tensor, Tensor]:
    """Two independent numbers U[0, 1) for each of `count`."""
    drawn = torch.empty(2, count, dtype=torch.float64)
    for start in range(0, count, _CHUNK):
        number = torch.arange(start, min(start + _CHUNK, count))
        words = philox(key, (number & _WORD, number >> 32, 0, stream))
        drawn[0, number] = uniform(words[0], words[1], torch.float64)
        drawn[1, number] = uniform(words[2], words[3], torch.float64)
    return drawn[0], drawn[1]


def _normal(key: int, count: int, variance: float) -> Tensor:
    return normal_numbers(key, count).abs() * math.sqrt(variance)


def _uniform(key: int, count: int, variance: float) -> Tensor:
    return uniform_numbers(key, count) * math.sqrt(3 * variance)


def _constant(key: int, count: int, variance: float) -> Tensor:
    return torch.full((count,), math.sqrt(variance), dtype=torch.float64)


def _deviation(key: int, count: int, variance: float) -> Tensor:
    return (_signs(key, count, 0.5) * _normal(key, count, variance)).std(correction=0).expand(count)


_MAGNITUDES: Mapping[str, Callable[[int, int, float], Tensor]] = {
    "normal": _normal,
    "uniform": _uniform,
    "constant": _constant,
    "deviation": _deviation,
}


def draw_weights_(module: AnyModule, distribution: str, *, positive_share: float = 0.5, seed: int = 0) -> AnyModule:
    """Draw random weights for an ordinary network, in place: for those that `slotify_` would convert.

    With "binary" weights, `scale_inputs_` is called too.

    Args:
        module: an ordinary network.
        distribution: a name of `slotmachines.distributions.DISTRIBUTIONS`.
        positive_share: probability of a positive sign.
        seed: the weights depend on it, on their names in `module`, and on nothing else.

    Returns:
        `module`.

    Raises:
        UserError: unknown distribution, a share that is no probability, or weights that `slotify_` refuses.
        TypeError: an argument is of a wrong type.
    """
    places = selectable(module)
    drawn = drawn_weights(places, distribution, positive_share=positive_share, seed=seed)
    with torch.no_grad():
        for place, weight in zip(places, drawn, strict=True):
            place.weight.copy_(weight)
    if distribution == "binary":
        scale_inputs_(module, places)
    return module


def drawn_weights(
    places: Sequence[Place], distribution: str, *, positive_share: float = 0.5, seed: int = 0
) -> Iterator[Tensor]:
    """Random weights for some places, each of the shape, precision and device of its weight. Takes what `draw_weights_`
    takes, and raises its errors at the call."""
    if distribution not in DISTRIBUTIONS:
        raise UserError(f"unknown distribution {distribution!r}: use one of {', '.join(DISTRIBUTIONS)}")
    share, seed = real_number(positive_share, "share of positive weights"), seed_number(seed)
    if not 0 <= share <= 1:
        raise UserError(f"the share of positive weights lies between 0 and 1, not at {positive_share}")
    return (_drawn_weight(place, distribution, share, seed) for place in places)


def _drawn_weight(place: Place, distribution: str, positive_share: float, seed: int) -> Tensor:
    kind, variance = DISTRIBUTIONS[distribution]
    weight, key = place.weight, key_of("weights", seed, place.name)
    magnitudes = _MAGNITUDES[kind](key, weight.numel(), variance(*place.fans))
    return (magnitudes * _signs(key, weight.numel(), positive_share)).view(weight.shape).to(weight)


def scale_inputs_(module: nn.Module, places: Sequence[Place]) -> None:
    """Multiply the inputs of `module` by the product over some of its weights of sqrt(2 / fan_in).

    A hook does so, which stays with the module but is in no state dict. For layers in a row without biases, with ReLU
    and pooling between them, that makes a network of "binary" weights the one of "kaiming-constant"; others it merely
    feeds small numbers.
    """
    module.register_forward_pre_hook(_Scaled(math.prod(math.sqrt(kaiming(*place.fans)) for place in places)))


def _signs(key: int, count: int, positive_share: float) -> Tensor:
    return torch.where(uniform_numbers(key, count, stream=1) < positive_share, 1.0, -1.0).double()


class _Scaled:
    """A hook that multiplies the first input of a module."""

    def __init__(self, factor: float) -> None:
        self._factor = factor

    def __call__(self, module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return (inputs[0] * self._factor, *inputs[1:])
