"""Put the main table of a grid into the README, between its two marks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slotmachines.command import ConfigFile, ReferenceFile, RunsFile, run
from slotmachines.replication.config import read_config
from slotmachines.reporting.page import fill_marks
from slotmachines.reporting.reference import read_reference
from slotmachines.reporting.report import main_table_text
from slotmachines.reporting.results import read_runs
from slotmachines.reporting.summary import scoreboard
from slotmachines.reporting.table import experiment_tables


def command(
    config: ConfigFile,
    runs_csv: RunsFile,
    reference_csv: ReferenceFile,
    readme: Annotated[Path, typer.Argument(help="the file to change")] = Path("README.md"),
) -> None:
    """Replace what stands between <!-- begin GRID --> and <!-- end GRID --> by the scoreboard and the main table."""
    settings = read_config(config)
    score = scoreboard(experiment_tables(settings, read_runs(runs_csv), read_reference(reference_csv)))
    counts = ", ".join(f"{count} {verdict}" for verdict, count in score.items() if count)
    table = main_table_text(settings, runs_csv, reference_csv, style="pipe")
    text = f"Of {sum(score.values())} published numbers in reach of this grid: {counts}."
    fill_marks(readme, settings["grid"], f"{text}\n\n{table}")


if __name__ == "__main__":
    run(command)
