"""The exceptions that stand for bad input."""

from __future__ import annotations


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
    return _printable(str(what))[:200] or type(what).__name__


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))
