"""Write the table of one experiment, with its comparisons."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slotmachines.command import ReferenceFile, ResultsFolder, run
from slotmachines.reporting.results import read_results
from slotmachines.reporting.table_files import write_table


def command(
    results: ResultsFolder,
    reference_csv: ReferenceFile,
    experiment: Annotated[str, typer.Argument(help="name of the experiment")],
    folder: Annotated[Path, typer.Argument(help="the folder of the tables")],
) -> None:
    """Write the table of one experiment of a grid as CSV and Markdown."""
    write_table(read_results(results, reference_csv), experiment, folder)


if __name__ == "__main__":
    run(command)
