"""The runs of a grid in a given order, as commands: for a machine that is lent for an hour and has no Snakemake."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slotmachines.errors import UserError, one_line
from slotpipeline.experiments.grid import cells_of, seeds_of
from slotpipeline.plain_yaml import read_yaml
from slotpipeline.planning.engine import DEFAULT_ENGINE, Engine, misfits
from slotpipeline.runs.cell import Cell, Config, cell_runs, recipe_of
from slotpipeline.runs.checked_fields import list_of
from slotpipeline.runs.recipe import recipe_name
from slotpipeline.runs.run import Run
from slotpipeline.runs.run_files import checkpoint_of, run_files


@dataclass(frozen=True)
class Step:
    """Part of an order: some runs of some experiments of a grid; all of them where nothing is said.

    Attributes:
        experiments: names of experiments of the grid.
        networks, methods, seeds: of the runs; the networks come in this order.
        options: numbers K, and None for methods without options.
        recipes: names of the recipes of the runs.
        variants: what differs from such a recipe, in the words of `Variant.name`, and None for what is trained by it
            as it is; the variants of a network come in this order.
    """

    experiments: list[str] | None = None
    networks: list[str] | None = None
    methods: list[str] | None = None
    options: list[int | None] | None = None
    seeds: list[int] | None = None
    recipes: list[str] | None = None
    variants: list[str | None] | None = None

    def chosen(self, config: Config) -> list[Run]:
        """The runs of a grid that belong to the step, in its order.

        Raises:
            UserError: the step names an experiment that the grid does not have, or something else that no run of its
                experiments has, or that no run has together.
        """
        experiments = list(config["experiments"]) if self.experiments is None else self.experiments
        for experiment in experiments:
            if experiment not in config["experiments"]:
                raise UserError(f"order: the grid {config['grid']} has no experiment {experiment!r}")
        cells = [(cell, seeds_of(config, name)) for name in experiments for cell in cells_of(config, name)]
        known = [_traits(config, cell, seeds) for cell, seeds in cells]
        for field, wanted in self._wanted.items():
            there = list(dict.fromkeys(value for traits in known for value in traits[field]))
            if missing := [value for value in wanted if value not in there]:
                raise UserError(
                    f"order: no run of {', '.join(experiments)} has {_shown(missing[0])} among its {field}; "
                    f"use some of {', '.join(map(_shown, there))}"
                )
        found = [
            (traits, cell)
            for traits, (cell, _) in zip(known, cells, strict=True)
            if all(set(traits[field]) & set(wanted) for field, wanted in self._wanted.items())
        ]
        if not found:
            raise UserError(f"order: no run of {', '.join(experiments)} has all of {self._wanted}")
        for field in ("variants", "networks"):  # sorting by one keeps the order by the other within it
            places = self._wanted.get(field, [])
            found.sort(key=lambda one: places.index(one[0][field][0]) if places else 0)
        return [
            run
            for traits, cell in found
            for run in cell_runs(config, cell, [seed for seed in traits["seeds"] if seed in (self.seeds or [seed])])
        ]

    @property
    def _wanted(self) -> dict[str, list[Any]]:
        """Name of a field -> the values that it allows, where it allows only some."""
        return {name: value for name, value in vars(self).items() if value is not None and name != "experiments"}


def _traits(config: Config, cell: Cell, seeds: list[int]) -> dict[str, list[Any]]:
    """Field of a step -> what the runs of a cell have there."""
    return {
        "networks": [cell.network],
        "methods": [cell.method],
        "options": [cell.options],
        "seeds": seeds,
        "recipes": [recipe_name(recipe_of(config, cell))],
        "variants": [cell.variant.name or None if cell.variant else None],
    }


def _shown(value: object) -> str:
    return "null" if value is None else repr(value)


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
        UserError: a step names what the grid does not have, or chooses no run.
    """
    found: dict[str, Run] = {}
    for step in order:
        for run in step.chosen(config):
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


def plan_lines(
    runs: Sequence[Run], kept: Mapping[str, Sequence[int]], results: Path, engine: Engine = DEFAULT_ENGINE
) -> list[str]:
    """A command for each run, with its files below the project's folder as the workflow has them.

    Args:
        kept, results: see `training_arguments`.
        engine: how their steps are computed, where it can train them.
    """
    lines = []
    for run in runs:
        words = engine.without(misfits(run, engine)).words
        more = [word for name in words.split("+") if name for word in ("--engine", name)]
        files = ["--data", "data", "--folder", str(run_files(run, results).folder)]
        files += ["--checkpoint", str(checkpoint_of(run, results))]
        lines.append(shlex.join(["slotmachines", *training_arguments(run, kept, results), *files, *more]))
    return lines


def left_out(runs: Sequence[Run], engine: Engine) -> list[str]:
    """A line for each part of an engine that `plan_lines` leaves out of some runs: of how many, and why of one."""
    found: dict[str, list[tuple[Run, str]]] = defaultdict(list)
    for run in runs:
        for name, why in misfits(run, engine).items():
            found[name].append((run, why))
    return [
        f"--engine {name} is left out of {len(pairs)} of {len(runs)} runs, such as {pairs[0][0].folder}: {pairs[0][1]}"
        for name, pairs in found.items()
    ]
