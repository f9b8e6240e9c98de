"""What the project's programs share: how bad input ends them, and the files that several of them are given."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from slotmachines.errors import UserError

ResultsFolder = Annotated[Path, typer.Argument(help="the grid's folder of results, with config.yaml and runs.csv")]
ReferenceFile = Annotated[Path, typer.Argument(help="the published numbers")]
PictureFile = Annotated[Path, typer.Argument(help="the PNG to write")]


@contextmanager
def one_line_errors(program: str) -> Iterator[None]:
    """Bad input in the block ends the program with one line on standard error and status 2."""
    try:
        yield
    except UserError as error:
        print(f"{program}: {error}", file=sys.stderr)
        sys.exit(2)


def run(command: Callable[..., None]) -> None:
    """Run a script's command with the arguments it was given."""
    with one_line_errors("error"):
        typer.run(command)
