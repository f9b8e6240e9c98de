"""The exceptions that stand for bad input."""

from __future__ import annotations


class UserError(ValueError):
    """Something the user gave is wrong: the message is one line, says what is wrong and what to do.

    The command line prints the message and exits with status 2; it never shows a traceback for it.
    """


class NotMeasured(UserError):
    """What is asked for was not measured beforehand; who can do without it goes on, and says so."""
