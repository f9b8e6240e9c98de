"""Files as damage, or somebody with bad intentions, leaves them."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

# What stands where something else is expected.
VALUES = [
    None, True, False, 0, -1, 1.5, 10**20, float("nan"), float("inf"), "", "x", "../../x", "a\nb", "\x1b[2J", [], {},
    [[]], {"x": 1}, [1, "x"], "1e400", "0x10",
]  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """A file that was cut, or in which bits flipped, or bytes were replaced, inserted, or lost."""
    changed = bytearray(content)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, max(len(changed) - 1, 0)))
        match draw(st.sampled_from(["cut", "flip", "replace", "insert", "lose"])):
            case "cut":
                del changed[place:]
            case "flip" if changed:
                changed[place] ^= 1 << draw(st.integers(0, 7))
            case "replace":
                new = draw(st.binary(min_size=1, max_size=8))
                changed[place : place + len(new)] = new
            case "insert":
                changed[place:place] = draw(st.binary(min_size=1, max_size=8))
            case _:
                del changed[place : place + draw(st.integers(1, 40))]
    return bytes(changed)


@st.composite
def forged(draw: st.DrawFn, content: Any) -> Any:
    """Nested lists and dicts in which one place holds something else, is missing, or has one more entry."""
    changed = copy.deepcopy(content)
    place, key = draw(st.sampled_from(list(_places(changed))))
    match draw(st.sampled_from(["replace", "replace", "replace", "lose", "add"])):
        case "lose":
            del place[key]
        case "add" if isinstance(place, dict):
            place[draw(st.sampled_from(["x", "", "../x"]))] = draw(st.sampled_from(VALUES))
        case _:
            place[key] = draw(st.sampled_from(VALUES))
    return changed


def _places(content: Any) -> Any:
    """Each container below, with each of its keys."""
    pairs = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in list(pairs):
        yield content, key
        if isinstance(value, dict | list):
            yield from _places(value)
