"""The one exception that stands for bad input."""

from __future__ import annotations


class UserError(ValueError):
    """Something the user gave is wrong: the message is one line, says what is wrong and what to do.

    The command line prints the message and exits with status 2; it never shows a traceback for it.
    """
