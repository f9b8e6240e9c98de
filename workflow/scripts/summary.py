"""Write the summary of a grid."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slotmachines.command import ReferenceFile, ResultsFolder, run
from slotmachines.reporting.results import read_results
from slotmachines.reporting.summary import write_summary


def command(
    results: ResultsFolder,
    reference_csv: ReferenceFile,
    output: Annotated[Path, typer.Argument(help="the JSON file to write")],
) -> None:
    """Write the accuracies and the verdicts of a grid as JSON."""
    write_summary(read_results(results, reference_csv), output)


if __name__ == "__main__":
    run(command)
