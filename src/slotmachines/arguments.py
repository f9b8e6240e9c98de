"""Checks of what users pass, with one clear line for what is wrong. Needs no torch."""

from __future__ import annotations

import operator
from typing import Any

from slotmachines.errors import UserError


def whole_number(value: Any, what: str) -> int:
    """`value` as an int; numpy's integers are the same numbers, and True is none.

    Raises:
        TypeError: it is no integer; `what` names it.
    """
    if not isinstance(value, bool):
        try:
            return operator.index(value)
        except TypeError:
            pass
    raise TypeError(f"the {what} must be an integer, not {value!r}")


def seed_number(value: Any) -> int:
    """A seed as an int.

    Raises:
        TypeError: it is no integer.
        UserError: it has more than 64 bits.
    """
    seed = whole_number(value, "seed")
    if not -(2**63) <= seed < 2**63:
        raise UserError(f"the seed must be a whole number of 64 bits with a sign, not {seed}")
    return seed


def real_number(value: Any, what: str) -> float:
    """`value` as a float.

    Raises:
        TypeError: it is no number; `what` names it.
    """
    if not isinstance(value, bool | str | bytes):
        try:
            return float(value)
        except (TypeError, ValueError, RuntimeError):  # the last one from a tensor of several numbers
            pass
    raise TypeError(f"the {what} must be a number, not {value!r}")
