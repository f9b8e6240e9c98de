"""The random weights that rivals of slot machines fix, or start from: distributions of magnitudes, and signs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from slotmachines.distributions import DISTRIBUTIONS, fans_of, kaiming
from slotmachines.selectable import Place, selectable
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


def draw_weights_(
    module: nn.Module,
    distribution: str,
    *,
    positive_share: float = 0.5,
    seed: int = 0,
    places: Iterable[Place] | None = None,
) -> nn.Module:
    """Draw the weights of `module` anew, in place.

    With "binary" weights the inputs of `module` are multiplied by the product over its weights of sqrt(2 / fan_in), by
    a hook that stays with the module but is in no state dict. For layers in a row without biases, with ReLU and
    pooling between them, that makes the network the one of "kaiming-constant"; others it merely feeds small numbers.

    Args:
        module: an ordinary network.
        distribution: a name of `slotmachines.distributions.DISTRIBUTIONS`.
        positive_share: probability of a positive sign.
        seed: the weights depend on it, on their names in `module`, and on nothing else.
        places: the weights to draw; None for those that `slotify_` would convert.

    Returns:
        `module`.

    Raises:
        ValueError: unknown distribution, or a share that is no probability.
    """
    if distribution not in DISTRIBUTIONS:
        raise ValueError(f"unknown distribution {distribution!r}: use one of {', '.join(DISTRIBUTIONS)}")
    if not 0 <= positive_share <= 1:
        raise ValueError(f"the share of positive weights lies between 0 and 1, not at {positive_share}")
    kind, variance = DISTRIBUTIONS[distribution]
    found = list(selectable(module) if places is None else places)
    for place in found:
        weight, key = getattr(place.layer, place.tensor), key_of("weights", seed, place.name)
        magnitudes = _MAGNITUDES[kind](key, weight.numel(), variance(*fans_of(place.fans)))
        drawn = magnitudes * _signs(key, weight.numel(), positive_share)
        with torch.no_grad():
            weight.copy_(drawn.view(weight.shape))
    if distribution == "binary":
        factors = (math.sqrt(kaiming(*fans_of(place.fans))) for place in found)
        module.register_forward_pre_hook(_Scaled(math.prod(factors)))
    return module


def _signs(key: int, count: int, positive_share: float) -> Tensor:
    return torch.where(uniform_numbers(key, count, stream=1) < positive_share, 1.0, -1.0).double()


class _Scaled:
    """A hook that multiplies the first input of a module."""

    def __init__(self, factor: float) -> None:
        self._factor = factor

    def __call__(self, module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return (inputs[0] * self._factor, *inputs[1:])
