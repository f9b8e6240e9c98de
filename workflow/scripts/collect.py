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
    print(f"{collect(planned, counted, folder)} of {len(planned)} runs are in {folder}/runs.csv")


if __name__ == "__main__":
    run(command)
