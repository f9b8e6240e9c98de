"""From a grid's config to its runs: an experiment is a list of cells, and a cell is run once per seed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from slotpipeline.experiments.registry import EXPERIMENTS
from slotpipeline.runs.cell import Cell, Config, cell_runs
from slotpipeline.runs.run import Run


def cells_of(config: Config, experiment: str) -> list[Cell]:
    """The cells of one experiment of the grid, in the order of its tables."""
    return list(EXPERIMENTS[experiment].cells(config, config["experiments"][experiment]))


def seeds_of(config: Config, experiment: str) -> list[int]:
    """The seeds of an experiment: its own, or the grid's."""
    return list(config["experiments"][experiment].get("seeds", config["seeds"]))


def experiment_runs(config: Config, experiment: str) -> list[Run]:
    """Every run that one experiment needs, once; the slot machines that finetuning starts from included."""
    seeds = seeds_of(config, experiment)
    return _once(run for cell in cells_of(config, experiment) for run in cell_runs(config, cell, seeds))


def grid_runs(config: Config) -> list[Run]:
    """Every run of the grid once, whichever experiments need it."""
    return _once(run for experiment in config["experiments"] for run in experiment_runs(config, experiment))


def runs_with_histograms(config: Config) -> list[Run]:
    """The runs of the grid of which experiments need the histograms of the selected weights."""
    names = [name for name in config["experiments"] if EXPERIMENTS[name].needs_weights]
    return _once(run for name in names for run in experiment_runs(config, name))


def kept_epochs(runs: Iterable[Run]) -> Mapping[str, list[int]]:
    """Identity of a slot machine -> the epochs after which other runs start from its selected weights."""
    epochs: dict[str, set[int]] = defaultdict(set)
    for run in runs:
        if run.parent is not None:
            epochs[run.parent.identity].add(run.start_epoch)
    return {identity: sorted(found) for identity, found in epochs.items()}


def planned(config: Config) -> dict[str, list[Run]]:
    """Experiment -> its runs."""
    return {experiment: experiment_runs(config, experiment) for experiment in config["experiments"]}


def _once(runs: Iterable[Run]) -> list[Run]:
    found: dict[str, Run] = {}
    for run in runs:
        if run.parent is not None:
            found.setdefault(run.parent.identity, run.parent)
        found.setdefault(run.identity, run)
    return list(found.values())
