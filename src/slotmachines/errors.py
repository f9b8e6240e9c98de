"""The exceptions that stand for bad input."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher, get_close_matches


class UserError(ValueError):
    """Something the user gave is wrong: the message is one line, says what is wrong and what to do.

    The command line prints the message and exits with status 2; it never shows a traceback for it. What a message
    cites from a file cannot break the line, nor steer the terminal.
    """

    def __init__(self, message: str) -> None:
        """`message` is made one line of printable letters."""
        super().__init__(_printable(message))


class NotMeasured(UserError):
    """What is asked for was not measured beforehand; who can do without it goes on, and says so."""


def one_line(what: object) -> str:
    """An error, or something wrong, as a short part of the message of a `UserError`."""
    text = _printable(str(what))
    return (text if len(text) <= 200 else f"{text[:196].rpartition(' ')[0] or text[:196]} ...") or type(what).__name__


def how_to_install(extra: str) -> str:
    """The end of a message about packages that are missing. No package index holds this project, so its clone does."""
    return f'in the clone of slotmachines run: pip install ".[{extra}]"'


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """The end of the message about an unknown name: which of the names was probably meant; blank if none is near.

    Names that are equally near are all said, up to four.
    """
    known = {one.lower(): one for one in names}
    word = name.lower()[:60]
    near = get_close_matches(word, known, n=1)
    best = [meant for one, meant in known.items() if near and _likeness(one, word) == _likeness(near[0], word)]
    return f"; did you mean {' or '.join(best[:4])}?" if best else ""


def _likeness(one: str, word: str) -> float:
    return SequenceMatcher(None, one, word).ratio()


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))
