"""A cell of an experiment: what the runs of several seeds have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from slotpipeline.runs.authors_recipes import AUTHORS_RECIPES, RIVAL_RECIPES
from slotpipeline.runs.recipe import recipe_name
from slotpipeline.runs.run import Run, finetuned, make_run, with_seed

Config = Mapping[str, Any]
Changes = tuple[tuple[str, Any], ...]


class Variant:
    """What differs from the grid's plain cell. Each kind is a frozen dataclass of its own, which holds this as data.

    `words` is the only place that puts a variant into words. Programs ask the variant itself, and never read its words.
    """

    is_comparable: ClassVar[bool] = True
    """Whether the number that the paper gives for the cell's method and K is still its counterpart."""

    @property
    def words(self) -> str:
        """For readers, in tables and sentences; no two cells of one method and K in an experiment have the same."""
        raise NotImplementedError

    @property
    def name(self) -> str:
        """What an order of runs calls it beside its recipe; blank where it is that recipe as it is."""
        return self.words

    @property
    def recipe(self) -> str:
        """Name or file of the recipe of its runs; blank for the recipe of the plain cell."""
        return ""

    @property
    def changes(self) -> Changes:
        """Settings that win over the recipe's and the grid's."""
        return ()

    @property
    def start_epoch(self) -> int:
        """Of a finetuned network, the epochs of its slot machine; 0 for all others."""
        return 0


@dataclass(frozen=True)
class ByRecipe(Variant):
    """Trained by another recipe than the plain cell."""

    by: str

    @property
    def name(self) -> str:
        return ""

    @property
    def words(self) -> str:
        return recipe_name(self.by)

    @property
    def recipe(self) -> str:
        return self.by


@dataclass(frozen=True)
class Cell:
    """One configuration of one experiment.

    Attributes:
        dataset, network, method, options: as in `Run`.
        variant: what differs from the grid's plain cell of these; None of the plain cell itself.
    """

    dataset: str
    network: str
    method: str
    options: int | None
    variant: Variant | None = None

    @property
    def words(self) -> str:
        """The variant in words; blank for a plain cell."""
        return self.variant.words if self.variant else ""

    @property
    def recipe(self) -> str:
        """The recipe of its variant; blank for that of its method's authors, or else the grid's."""
        return self.variant.recipe if self.variant else ""

    @property
    def changes(self) -> Changes:
        """The settings of its variant, which win over the recipe's and the grid's."""
        return self.variant.changes if self.variant else ()

    @property
    def start_epoch(self) -> int:
        """Of a finetuned network, the epochs of its slot machine; 0 for all others."""
        return self.variant.start_epoch if self.variant else 0

    @property
    def is_comparable(self) -> bool:
        """Whether the number that the paper gives for this method and K is the cell's counterpart."""
        return self.variant is None or self.variant.is_comparable


def recipe_of(config: Config, cell: Cell) -> str:
    """Name or file of the recipe of a cell: of its variant, of its method's authors, or else the grid's."""
    return cell.recipe or AUTHORS_RECIPES.get(cell.method) or str(config["recipe"])


def cell_run(config: Config, cell: Cell, seed: int) -> Run:
    """The run of one cell and seed.

    Raises:
        UserError: the recipe cannot give the cell its settings.
    """
    recipe = recipe_of(config, cell)
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


def cell_runs(config: Config, cell: Cell, seeds: Iterable[int]) -> list[Run]:
    """The runs of one cell, one per seed.

    Raises:
        UserError: the recipe cannot give the cell its settings.
    """
    run = cell_run(config, cell, 0)
    return [with_seed(run, seed) for seed in seeds]
