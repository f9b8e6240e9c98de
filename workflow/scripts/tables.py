"""Write the table of each experiment, and the summary of the grid."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slotmachines.command import ConfigFile, ReferenceFile, RunsFile, run
from slotmachines.replication.config import read_config
from slotmachines.reporting.summary import write_summary
from slotmachines.reporting.table import write_tables


def command(
    config: ConfigFile,
    runs_csv: RunsFile,
    reference_csv: ReferenceFile,
    folder: Annotated[Path, typer.Argument(help="the folder of the tables")],
    summary: Annotated[Path, typer.Argument(help="the JSON file of the summary")],
) -> None:
    """Write the table of each experiment of a grid as CSV and Markdown, and the grid's summary as JSON."""
    settings = read_config(config)
    write_tables(settings, runs_csv, reference_csv, folder)
    write_summary(settings, runs_csv, reference_csv, summary)


if __name__ == "__main__":
    run(command)
