"""The distributions of random weights by name, their variance, and the bound of uniform ones. Needs no torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from slotmachines.arguments import real_number
from slotmachines.errors import UserError

Variance = Callable[[int, int], float]


def fans_of(shape: Sequence[int]) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight of shape (out, in) or (out, in / groups, *kernel)."""
    kernel = math.prod(shape[2:])
    return shape[1] * kernel, shape[0] * kernel


def kaiming(fan_in: int, fan_out: int) -> float:
    """2 / fan_in (He et al. 2015, equation 10)."""
    return 2 / fan_in


def glorot(fan_in: int, fan_out: int) -> float:
    """2 / (fan_in + fan_out) (Glorot and Bengio 2010, equation 12)."""
    return 2 / (fan_in + fan_out)


def one(fan_in: int, fan_out: int) -> float:
    """1, whatever the fans."""
    return 1.0


DISTRIBUTIONS: Mapping[str, tuple[str, Variance]] = {
    "kaiming-normal": ("normal", kaiming),
    "kaiming-uniform": ("uniform", kaiming),
    "kaiming-constant": ("constant", kaiming),
    "glorot-normal": ("normal", glorot),
    "glorot-uniform": ("uniform", glorot),
    "glorot-constant": ("deviation", glorot),
    "binary": ("constant", one),
}
"""Name -> how magnitudes are drawn, and their variance from (fan_in, fan_out). Signs are drawn by themselves.

"constant": all weights of a layer have the same magnitude. "deviation": so they have, and it is the standard deviation
of as many normal numbers (Zhou et al. 2019, "signed constant"). "binary": weights are 1 and -1, and the inputs of the
network are scaled instead (Ivan and Florian 2020).
"""

VALUE_BOUNDS = {"glorot-uniform": 6.0, "glorot-deviation": 2.0}
"""Named bounds b = sqrt(n / (fan_in + fan_out)): of Glorot's uniform distribution, and its standard deviation."""


def value_bound_of(shape: Sequence[int], bound: str | float) -> float:
    """As `bound_of`, of a weight tensor of shape (out, in) or (out, in / groups, *kernel)."""
    return bound_of(fans_of(shape), bound)


def bound_of(fans: tuple[int, int], bound: str | float) -> float:
    """The bound b of the values W ~ U(-b, b) of a weight tensor.

    Args:
        fans: (fan_in, fan_out).
        bound: a name of `VALUE_BOUNDS` (Glorot and Bengio, AISTATS 2010, equations 12 and 16), or b itself.

    Raises:
        UserError: the name is unknown, or the number is not positive and finite.
        TypeError: it is neither a name nor a number.
    """
    if isinstance(bound, str):
        if bound not in VALUE_BOUNDS:
            raise UserError(f"unknown value bound {bound!r}: use one of {', '.join(VALUE_BOUNDS)}, or a number")
        return math.sqrt(VALUE_BOUNDS[bound] / sum(fans))
    number = real_number(bound, "value bound, unless it is a name,")
    if not 0 < number < math.inf:
        raise UserError(f"the value bound must be positive and finite, not {bound}")
    return number
