"""A cell of an experiment: what the runs of several seeds have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slotpipeline.runs.authors_recipes import AUTHORS_RECIPES, RIVAL_RECIPES
from slotpipeline.runs.run import Run, finetuned, make_run

Config = Mapping[str, Any]
Changes = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Cell:
    """One configuration of one experiment.

    Attributes:
        dataset, network, method, options: as in `Run`.
        variant: what is different from the grid's plain runs, for readers; blank where nothing is.
        recipe: of its runs; blank for that of its method's authors where the method has one, and the grid's otherwise.
        changes: settings that win over the recipe's and the grid's.
        start_epoch: of a finetuned network, the epochs of its slot machine; 0 for all others.
        is_comparable: whether the number that the paper gives for this method and K is the cell's counterpart.
    """

    dataset: str
    network: str
    method: str
    options: int | None
    variant: str = ""
    recipe: str = ""
    changes: Changes = ()
    start_epoch: int = 0
    is_comparable: bool = True


def cell_run(config: Config, cell: Cell, seed: int) -> Run:
    """The run of one cell and seed.

    Raises:
        UserError: the recipe cannot give the cell its settings.
    """
    recipe = cell.recipe or AUTHORS_RECIPES.get(cell.method) or config["recipe"]
    settings = {} if recipe in RIVAL_RECIPES else config.get("settings", {}).get(cell.network, {})
    run = make_run(
        network=cell.network,
        dataset=cell.dataset,
        method=cell.method,
        options=cell.options,
        seed=seed,
        recipe=config.get("recipes", {}).get(recipe, recipe),
        changes={**settings, **dict(cell.changes)},
    )
    return finetuned(run, cell.start_epoch) if cell.start_epoch else run
