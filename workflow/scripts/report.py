"""Write the report of a grid: one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slotmachines.command import ReferenceFile, ResultsFolder, run
from slotmachines.reporting.report import write_report
from slotmachines.reporting.results import read_results


def command(
    results: ResultsFolder,
    figures: Annotated[Path, typer.Argument(help="the grid's folder of figures")],
    reference_csv: ReferenceFile,
    output: Annotated[Path, typer.Argument(help="the HTML file to write")],
) -> None:
    """Write the report of a grid from its small result files and its figures."""
    write_report(read_results(results, reference_csv), figures, output)


if __name__ == "__main__":
    run(command)
