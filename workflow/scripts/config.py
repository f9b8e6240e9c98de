"""Write the config of a grid as it is in force."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slotmachines.command import run
from slotmachines.files import replacing


def command(
    text: Annotated[str, typer.Argument(help="the config in YAML")],
    output: Annotated[Path, typer.Argument(help="the YAML file to write")],
) -> None:
    """Write the config of a grid, with defaults filled in and changes of the command line made, into a file."""
    with replacing(output) as temporary:
        temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    run(command)
