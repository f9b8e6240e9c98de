"""Gather the metrics and curves of all runs of a grid.

usage: python workflow/scripts/collect.py CONFIG RUNS_CSV CURVES_CSV, for the runs in the folder `runs` beside RUNS_CSV
"""

from __future__ import annotations

import sys
from pathlib import Path

from slotmachines.replication.collect import collect
from slotmachines.replication.config import read_config
from slotmachines.replication.grid import grid_runs

if __name__ == "__main__":
    config, runs_csv, curves_csv = sys.argv[1:]
    collect(
        [Path(runs_csv).parent / "runs" / run.folder for run in grid_runs(read_config(config))], runs_csv, curves_csv
    )
