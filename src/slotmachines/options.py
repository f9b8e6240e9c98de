"""The K fixed random values and K initial scores of every connection."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from slotmachines.philox import key_of, philox, uniform

VALUE_BOUNDS = {"glorot-uniform": 6.0, "glorot-deviation": 2.0}
"""Named bounds b = sqrt(n / (fan_in + fan_out)): of Glorot's uniform distribution, and its standard deviation."""

_CHUNK = 1 << 18  # counters generated at a time; bounds the memory of the generator, not its result


def value_bound_of(shape: torch.Size, bound: str | float) -> float:
    """The bound b of the values W ~ U(-b, b) of a weight tensor.

    Args:
        shape: (out, in) or (out, in / groups, *kernel).
        bound: a name of `VALUE_BOUNDS` (Glorot and Bengio, AISTATS 2010, equations 12 and 16), or b itself.

    Raises:
        ValueError: the name is unknown, or the number is not positive and finite.
    """
    if isinstance(bound, str):
        if bound not in VALUE_BOUNDS:
            raise ValueError(f"unknown value bound {bound!r}: use one of {', '.join(VALUE_BOUNDS)}, or a number")
        kernel = math.prod(shape[2:])
        return math.sqrt(VALUE_BOUNDS[bound] / ((shape[0] + shape[1]) * kernel))
    if not 0 < bound < math.inf:
        raise ValueError(f"the value bound must be positive and finite, not {bound}")
    return float(bound)


def draw_options(
    seed: int, name: str, connections: int, options: int, value_bound: float, score_bound: float, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Values W ~ U(-b, b) and initial scores s ~ U(0, c) (paper, section 3) of all options of one weight tensor.

    Each number depends on (seed, name, connection, option) alone; with more options the first ones stay the same.

    Args:
        seed: seed of the slot machine.
        name: name of the weight, relative to the module given to `slotify_`.
        connections: number n of connections, numbered in row-major order of the weight.
        options: K.
        value_bound: b.
        score_bound: c.
        dtype: float32 or float64.

    Returns:
        Values and scores, each of shape (K, n), on the CPU.
    """
    key = key_of(seed, name)
    values = torch.empty(options, connections, dtype=dtype)
    scores = torch.empty(options, connections, dtype=dtype)
    for first in range(0, connections, _CHUNK):
        chunk = slice(first, min(first + _CHUNK, connections))
        index = torch.arange(chunk.start, chunk.stop)
        for option in range(options):
            value_high, value_low, score_high, score_low = philox(key, (index & 0xFFFFFFFF, index >> 32, option, 0))
            # 2u - 1 is exact, so the product is rounded once: the same bits with and without fused multiply-add.
            values[option, chunk] = (2 * uniform(value_high, value_low, dtype) - 1) * value_bound
            scores[option, chunk] = uniform(score_high, score_low, dtype) * score_bound
    return values, scores
