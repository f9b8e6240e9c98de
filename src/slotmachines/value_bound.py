"""The bound of the random values, by itself: reading what a network selected needs no torch."""

from __future__ import annotations

import math
from collections.abc import Sequence

from slotmachines.distributions import fans_of

VALUE_BOUNDS = {"glorot-uniform": 6.0, "glorot-deviation": 2.0}
"""Named bounds b = sqrt(n / (fan_in + fan_out)): of Glorot's uniform distribution, and its standard deviation."""


def value_bound_of(shape: Sequence[int], bound: str | float) -> float:
    """The bound b of the values W ~ U(-b, b) of a weight tensor.

    Args:
        shape: (out, in), (out, in / groups, *kernel), or (dimension, 1) of an embedding, of which one row is looked up.
        bound: a name of `VALUE_BOUNDS` (Glorot and Bengio, AISTATS 2010, equations 12 and 16), or b itself.

    Raises:
        ValueError: the name is unknown, or the number is not positive and finite.
    """
    if isinstance(bound, str):
        if bound not in VALUE_BOUNDS:
            raise ValueError(f"unknown value bound {bound!r}: use one of {', '.join(VALUE_BOUNDS)}, or a number")
        return math.sqrt(VALUE_BOUNDS[bound] / sum(fans_of(shape)))
    if not 0 < bound < math.inf:
        raise ValueError(f"the value bound must be positive and finite, not {bound}")
    return float(bound)
