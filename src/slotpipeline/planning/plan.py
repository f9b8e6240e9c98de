"""The runs of a grid in a given order, as commands: for a machine that is lent for an hour and has no Snakemake."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from slotmachines.errors import UserError, one_line
from slotpipeline.experiments.grid import experiment_runs
from slotpipeline.plain_yaml import read_yaml
from slotpipeline.runs.cell import Config
from slotpipeline.runs.checked_fields import list_of
from slotpipeline.runs.run import Run
from slotpipeline.runs.run_files import checkpoint_of, run_files


@dataclass(frozen=True)
class Step:
    """Part of an order: some runs of some experiments of a grid; all of them where nothing is said.

    Attributes:
        experiments: names of experiments of the grid.
        networks, methods, seeds: of the runs; the networks come in this order.
        options: numbers K, and None for methods without options.
    """

    experiments: list[str] | None = None
    networks: list[str] | None = None
    methods: list[str] | None = None
    options: list[int | None] | None = None
    seeds: list[int] | None = None

    def chosen(self, runs: Sequence[Run]) -> list[Run]:
        """Those runs of an experiment of the step that belong to the step, in its order."""
        found = [
            run
            for run in runs
            if _allows(self.networks, run.network)
            and _allows(self.methods, run.method)
            and _allows(self.options, run.options)
            and _allows(self.seeds, run.seed)
        ]
        networks = self.networks or []
        return sorted(found, key=lambda run: networks.index(run.network) if networks else 0)


def _allows(accepted: Sequence[object] | None, value: object) -> bool:
    return accepted is None or value in accepted


def read_order(path: Path) -> list[Step]:
    """The steps of an order, from a YAML file.

    Raises:
        UserError: the file is missing, or does not hold a list of steps.
    """
    try:
        return list_of(Step, read_yaml(path, "an order of runs"))
    except ValueError as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path} is not a list of steps: {one_line(error)}; see config/orders/gpu.yaml") from None


def in_order(config: Config, order: Sequence[Step]) -> list[Run]:
    """The runs of the steps, each once, where the first step has it; a finetuned network after its slot machine.

    Raises:
        UserError: a step names an experiment that the grid does not have.
    """
    found: dict[str, Run] = {}
    for step in order:
        for experiment in config["experiments"] if step.experiments is None else step.experiments:
            if experiment not in config["experiments"]:
                raise UserError(f"order: the grid {config['grid']} has no experiment {experiment!r}")
            for run in step.chosen(experiment_runs(config, experiment)):
                for needed in (run.parent, run):
                    if needed is not None:
                        found.setdefault(needed.identity, needed)
    return list(found.values())


def training_arguments(run: Run, kept: Mapping[str, Sequence[int]], results: Path) -> list[str]:
    """The arguments of `slotmachines` that train a run of a grid.

    Args:
        kept: from `kept_epochs`: the weights that the run keeps for others to start from.
        results: the grid's folder of results, which holds the weights that the run starts from.
    """
    words = run.arguments
    if run.parent is not None:
        words = [*words, "--weights", str(run_files(run.parent, results).epoch_weights(run.start_epoch))]
    return [*words, *(word for epoch in kept.get(run.identity, []) for word in ("--keep-epoch", str(epoch)))]


def plan_lines(runs: Sequence[Run], kept: Mapping[str, Sequence[int]], results: Path) -> list[str]:
    """A command for each run, with its files below the project's folder as the workflow has them.

    Args:
        kept, results: see `training_arguments`.
    """
    lines = []
    for run in runs:
        files = ["--data", "data", "--folder", str(run_files(run, results).folder)]
        files += ["--checkpoint", str(checkpoint_of(run, results))]
        lines.append(shlex.join(["slotmachines", *training_arguments(run, kept, results), *files]))
    return lines
