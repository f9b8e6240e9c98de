"""Write the report of a grid: one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slotmachines.command import ConfigFile, ReferenceFile, run
from slotmachines.replication.config import read_config
from slotmachines.reporting.report import write_report


def command(
    config: ConfigFile,
    results: Annotated[Path, typer.Argument(help="the grid's folder of results, with runs.csv")],
    figures: Annotated[Path, typer.Argument(help="the grid's folder of figures")],
    reference_csv: ReferenceFile,
    output: Annotated[Path, typer.Argument(help="the HTML file to write")],
) -> None:
    """Write the report of a grid from its runs.csv and its figures."""
    write_report(read_config(config), results, figures, reference_csv, output)


if __name__ == "__main__":
    run(command)
