"""The runs of a grid in a given order, as commands: for a machine that is lent for an hour and has no Snakemake."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from slotmachines.errors import UserError, one_line
from slotpipeline.experiments.grid import experiment_runs, grid_runs, kept_epochs
from slotpipeline.plain_yaml import read_yaml
from slotpipeline.runs.cell import Config
from slotpipeline.runs.run import Run
from slotpipeline.runs.to_do import kept_weights

Step = Mapping[str, Sequence[Any]]
"""Part of an order: `experiments`, and which `networks`, `methods`, `options` and `seeds` of them; all where left out.

Methods that have no options count as those with the option null.
"""

_CHOICES = {"networks": "network", "methods": "method", "options": "options", "seeds": "seed"}


def read_order(path: Path) -> list[Step]:
    """The steps of an order, from a YAML file.

    Raises:
        UserError: the file is missing, or no list of steps.
    """
    order = read_yaml(path, "an order of runs")
    if not isinstance(order, list):
        raise UserError(f"{path} is no list of steps; see config/orders/gpu.yaml")
    for step in order:
        is_step = isinstance(step, Mapping) and set(step) <= {"experiments", *_CHOICES}
        if not is_step or not all(isinstance(value, list) for value in step.values()):
            raise UserError(
                f"{path}: {one_line(step)} is no step; each holds lists of experiments, {', '.join(_CHOICES)}"
            )
    return order


def in_order(config: Config, order: Sequence[Step]) -> list[Run]:
    """The runs of the steps, each once, where the first step has it; a finetuned network after its slot machine.

    The networks of a step come in the order in which it names them.

    Raises:
        UserError: a step names an experiment that the grid does not have.
    """
    found: dict[str, Run] = {}
    for step in order:
        for experiment in step.get("experiments", list(config["experiments"])):
            if experiment not in config["experiments"]:
                raise UserError(f"order: the grid {config['grid']} has no experiment {experiment!r}")
            runs = experiment_runs(config, experiment)
            for key, name in _CHOICES.items():
                runs = [run for run in runs if getattr(run, name) in step.get(key, [getattr(run, name)])]
            if "networks" in step:
                runs.sort(key=lambda run: step["networks"].index(run.network))
            for run in runs:
                for needed in (run.parent, run):
                    if needed is not None:
                        found.setdefault(needed.identity, needed)
    return list(found.values())


def training_arguments(run: Run, kept: Mapping[str, Sequence[int]], results: Path) -> list[str]:
    """The arguments of `slotmachines` that train a run of a grid.

    Args:
        kept: from `kept_epochs`: the weights that the run keeps for others to start from.
        results: the grid's folder of results, where the weights lie that the run starts from.
    """
    words = run.arguments
    if run.parent is not None:
        words = [*words, "--weights", str(kept_weights(run.parent, run.start_epoch, results))]
    return [*words, *(word for epoch in kept.get(run.identity, []) for word in ("--keep-epoch", str(epoch)))]


def plan_lines(config: Config, runs: Sequence[Run], results: Path) -> list[str]:
    """A command for each run, with its places below the project's folder as the workflow has them."""
    kept = kept_epochs(grid_runs(config))
    lines = []
    for run in runs:
        folder = results / "runs" / run.folder
        places = ["--data", "data", "--folder", str(folder)]
        places += ["--checkpoint", str(results / "checkpoints" / f"{run.folder}.pt")]
        lines.append(shlex.join(["slotmachines", *training_arguments(run, kept, results), *places]))
    return lines
