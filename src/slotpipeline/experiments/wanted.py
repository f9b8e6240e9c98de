"""The runs that some experiments of a grid need, by the names that a user gives."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from slotmachines.errors import UserError, did_you_mean
from slotpipeline.experiments.grid import experiment_runs, grid_runs
from slotpipeline.runs.cell import Config
from slotpipeline.runs.run import Run


def require_experiments(config: Config, names: Iterable[str]) -> None:
    """Refuse the name of an experiment that the grid does not have.

    Raises:
        UserError: a name is unknown.
    """
    there = list(config["experiments"])
    for name in names:
        if name not in there:
            raise UserError(
                f"the grid {config['grid']} has no experiment {name}{did_you_mean(name, there)} "
                f"(it has {', '.join(there)})"
            )


def wanted_runs(config: Config, experiments: Collection[str] = ()) -> list[Run]:
    """Every run that some experiments of the grid need, once, in the grid's order; without names, of all experiments.

    Raises:
        UserError: the grid has no experiment of that name.
    """
    require_experiments(config, experiments)
    if not experiments:
        return grid_runs(config)
    chosen = {run.identity for name in experiments for run in experiment_runs(config, name)}
    return [run for run in grid_runs(config) if run.identity in chosen]
