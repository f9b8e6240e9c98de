"""Gather the metrics, curves and selected weights of the finished runs of a grid."""

from __future__ import annotations

from slotmachines.command import ResultsFolder, run
from slotmachines.replication.collect import collect
from slotmachines.replication.config import read_config
from slotmachines.replication.grid import experiment_runs, grid_runs


def command(folder: ResultsFolder) -> None:
    """Gather the finished runs of a grid, which lie in FOLDER/runs, into its small result files."""
    config = read_config(folder / "config.yaml")
    experiment = "selected-weights"
    counted = experiment_runs(config, experiment) if experiment in config["experiments"] else []
    planned = grid_runs(config)
    found = collect(planned, counted, folder)
    others = f", and {found.others} that the grid does not plan" if found.others else ""
    print(f"{found.planned} of {len(planned)} runs are in {folder}/runs.csv{others}")
    for run_folder in found.without_weights:
        print(f"{run_folder} has no weights: no histogram of them")


if __name__ == "__main__":
    run(command)
