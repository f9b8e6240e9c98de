"""YAML from users: plain values, of the size of a file written by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from slotmachines.errors import UserError, one_line

# The one in C is safe as well, and ten times as fast.
_SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_SafeLoader):  # type: ignore[misc]
    """As PyYAML's, but of a key that occurs twice it does not take the last value silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<"]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.MarkedYAMLError(problem=f"the key {key} occurs twice", problem_mark=node.start_mark)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


_DEEPEST = 20
_MOST_VALUES = 20_000
"""An alias repeats all that its anchor holds, so a few lines can hold more than memory, or hold themselves."""


def read_yaml(path: str | Path, what: str) -> Any:
    """The content of a YAML file; `what` tells the user what belongs there, such as "an order".

    Raises:
        UserError: the file is missing, is not text, or is not YAML of plain values.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; give {what}") from None
    except ValueError:
        raise UserError(f"{path} is not a text file; give {what}") from None
    return parse_yaml(text, str(path))


def parse_yaml(text: str, where: str) -> Any:
    """The content of a YAML text; `where` names its source.

    Raises:
        UserError: the text is not YAML of plain values.
    """
    try:
        content = yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # a ValueError: a date that does not exist
        raise UserError(f"{where} is not valid YAML: {one_line(error)}") from None
    require_plain(content, where)
    return content


def require_plain(content: Any, where: str) -> None:
    """Refuse endless or huge values, keys that are not text, and NaN, which a file written by hand does not hold.

    Raises:
        UserError: the content holds such a value.
    """
    waiting, count = [(content, 0)], 0
    while waiting:
        value, depth = waiting.pop()
        count += 1
        if depth > _DEEPEST or count > _MOST_VALUES:
            raise UserError(f"{where} holds too many values, or nests them too deeply; remove its aliases")
        if isinstance(value, Mapping):
            if wrong := [key for key in value if not isinstance(key, str)]:
                raise UserError(f"{where}: the key {wrong[0]!r} is not text; put it in quotation marks")
            waiting += [(one, depth + 1) for one in value.values()]
        elif isinstance(value, list | tuple):
            waiting += [(one, depth + 1) for one in value]
        elif isinstance(value, float) and not math.isfinite(value):
            raise UserError(f"{where}: {value} is not finite; give a finite number")


def named_values(changes: Sequence[str], option: str = "--set") -> dict[str, Any]:
    """What the words NAME=VALUE of an option say, each value in YAML.

    Raises:
        UserError: a word has another form.
    """
    settings = {}
    for change in changes:
        name, equals, value = change.partition("=")
        if not equals:
            raise UserError(f"{option} {change} is not of the form NAME=VALUE")
        settings[name] = parse_yaml(value, f"{option} {change}")
    return settings
