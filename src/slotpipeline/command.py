"""What the project's programs share: how bad input and signals end them, and the files that several are given."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from slotmachines.errors import UserError
from slotpipeline.stopping import Stopped, stoppable

ResultsFolder = Annotated[Path, typer.Argument(help="the grid's folder of results, with config.yaml and runs.csv")]
ReferenceFile = Annotated[Path, typer.Argument(help="the published numbers")]
PictureFile = Annotated[Path, typer.Argument(help="the PNG to write")]


def begins(names: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    """For the shell: those of some names that begin with what was typed."""
    return lambda incomplete: [name for name in names() if name.startswith(incomplete)]


@contextmanager
def one_line_errors(program: str) -> Iterator[None]:
    """What ends the program in the block is one line on standard error.

    The status is 2 for bad input and, as shells have it, 128 and the number of the signal for SIGINT and SIGTERM;
    docs/commands.md lists all of them.
    """
    try:
        with stoppable():
            yield
    except UserError as error:
        print(f"{program}: {error}", file=sys.stderr)
        sys.exit(2)
    except Stopped as stopped:
        print(f"{program}: {stopped}", file=sys.stderr)
        sys.exit(128 + stopped.number)


def run(command: Callable[..., None]) -> None:
    """Run a script's command with the arguments it was given."""
    with one_line_errors("error"):
        typer.run(command)
