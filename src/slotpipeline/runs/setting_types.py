"""The values of settings in the types that they are declared with."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from contextlib import suppress
from types import UnionType
from typing import Any

from slotmachines.errors import UserError

_FITTING: dict[Any, tuple[type, ...]] = {int: (int,), float: (int, float), str: (str,)}
_WORDS = {int: "a whole number", float: "a number", str: "a word"}


def converted(name: str, accepted: Any, value: Any, where: str) -> Any:
    """A value from YAML in the type of its setting.

    Args:
        name: of the setting.
        accepted: its type.
        where: the source of the value, for the message.

    Raises:
        UserError: it does not fit.
    """
    is_tuple = typing.get_origin(accepted) is tuple
    if is_tuple and isinstance(value, list | tuple) and all(type(one) is int for one in value):
        return tuple(value)
    alternatives = typing.get_args(accepted) if typing.get_origin(accepted) is UnionType else (accepted,)
    if float in alternatives and isinstance(value, str):
        with suppress(ValueError):  # YAML 1.1 takes 1e-4, which has no point, for text
            return float(value)
    for one in alternatives:
        if one in _FITTING and isinstance(value, _FITTING[one]) and not isinstance(value, bool):
            return one(value)
    if accepted == Mapping[str, Any] and isinstance(value, Mapping):
        return dict(value)
    words = " or ".join(_WORDS[one] for one in alternatives if one in _WORDS)
    expected = words or ("a list of whole numbers" if is_tuple else "names with values")
    raise UserError(f"{where}: {name} cannot be {value!r}; give {expected}")
