"""How to install packages that are not part of what the library requires. Needs no torch."""

from __future__ import annotations


def install_hint(*extras: str) -> str:
    """The end of a line about missing packages: the command that installs these extras of `pyproject.toml`.

    The project is not published under its name, so the command works in a clone.
    """
    return f'run in your clone of the project: pip install ".[{",".join(extras)}]"'
