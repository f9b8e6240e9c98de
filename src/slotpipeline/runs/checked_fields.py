"""Records that are read from files: a dataclass names the fields and their types, and each value is checked."""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Annotated, Any, TypeVar

Percentage = Annotated[float, "from 0 to 100"]
Duration = Annotated[float, "seconds, finite, not negative"]
Prose = Annotated[str, "any number of lines"]
Record = TypeVar("Record")


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


_PLAIN: Mapping[Any, Callable[[Any], bool]] = {
    str: lambda value: isinstance(value, str) and value.isprintable(),
    Prose: lambda value: isinstance(value, str),
    int: lambda value: type(value) is int and 0 <= value < 2**63,
    bool: lambda value: type(value) is bool,
    float: _is_number,
    Percentage: lambda value: _is_number(value) and 0 <= value <= 100,
    Duration: lambda value: _is_number(value) and 0 <= value < math.inf,
    types.NoneType: lambda value: value is None,
}


def from_fields(record: type[Record], values: Any, *, others: bool = False) -> Record:
    """A dataclass from a mapping of its fields by name, as JSON, YAML and checkpoints hold it.

    A field has one or several of these types: text, whole numbers that are not negative, truth values, numbers,
    None, lists and mappings of them, other dataclasses, and any other class, whose objects are taken as they are.

    Args:
        others: leave out unknown names, which other versions of the project may write; otherwise they are refused.

    Raises:
        ValueError: a field is missing or has another type, or a name is unknown.
    """
    accepted = alternatives(typing.cast(Any, record))
    if not isinstance(values, dict):
        raise ValueError(f"it must hold {', '.join(accepted)}, not {str(values)[:60]!r}")
    if not others and (unknown := [name for name in values if name not in accepted]):
        raise ValueError(f"unknown {str(unknown[0])[:60]!r}; use {', '.join(accepted)}")
    found = {}
    for field in fields(record):  # type: ignore[arg-type]
        if field.name in values:
            found[field.name] = _checked(accepted[field.name], values[field.name], field.name, others)
        elif field.default is MISSING and field.default_factory is MISSING:
            raise ValueError(f"{field.name} is missing")
    return record(**found)


def list_of(record: type[Record], values: Any) -> list[Record]:
    """As `from_fields`, of a list of records.

    Raises:
        ValueError: as `from_fields`, or `values` is not a list.
    """
    found: list[Record] = _checked((list[record],), values, "the list", False)  # type: ignore[valid-type]
    return found


@cache
def alternatives(record: Any) -> dict[str, tuple[Any, ...]]:
    """Field of a dataclass -> the types that its value may have; of `int | None`, both."""
    return {name: _parts(hint) for name, hint in typing.get_type_hints(record, include_extras=True).items()}


def _parts(hint: Any) -> tuple[Any, ...]:
    is_union = typing.get_origin(hint) in (types.UnionType, typing.Union)
    return typing.get_args(hint) if is_union else (hint,)


def _checked(accepted: tuple[Any, ...], value: Any, name: str, others: bool) -> Any:
    """The value in one of the types that are accepted."""
    for one in accepted:
        origin = typing.get_origin(one)
        if one is Any or (one in _PLAIN and _PLAIN[one](value)):
            return value
        if origin is list and isinstance(value, list):
            item = _parts(typing.get_args(one)[0])
            return [_checked(item, entry, f"entry {n} of {name}", others) for n, entry in enumerate(value, start=1)]
        if origin in (dict, Mapping) and isinstance(value, dict) and all(isinstance(key, str) for key in value):
            item = _parts(typing.get_args(one)[1])
            return {key: _checked(item, entry, f"{name} {key}", others) for key, entry in value.items()}
        if is_dataclass(one):
            try:
                return from_fields(typing.cast(type, one), value, others=others)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
        if isinstance(one, type) and one not in _PLAIN and isinstance(value, one):
            return value
    raise ValueError(f"{name} cannot be {str(value)[:60]!r}")
