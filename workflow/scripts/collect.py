"""Gather the metrics and curves of all runs of a grid."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slotmachines.command import ConfigFile, run
from slotmachines.replication.collect import collect
from slotmachines.replication.config import read_config
from slotmachines.replication.grid import grid_runs


def command(
    config: ConfigFile,
    runs_csv: Annotated[Path, typer.Argument(help="the table of runs to write")],
    curves_csv: Annotated[Path, typer.Argument(help="the table of curves to write, compressed")],
) -> None:
    """Gather the metrics and curves of all runs of a grid, which lie in the folder `runs` beside RUNS_CSV."""
    folders = [runs_csv.parent / "runs" / planned.folder for planned in grid_runs(read_config(config))]
    collect(folders, runs_csv, curves_csv)


if __name__ == "__main__":
    run(command)
