"""The paper's own numbers, with the uncertainty of reading them off its figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from slotmachines.methods import RIVALS
from slotpipeline.runs.authors_recipes import RIVAL_RECIPES
from slotpipeline.runs.cell import Cell
from slotpipeline.runs.csv_tables import read_table

SOURCE = "aladago2021"
RECIPES = {"zhou2019": "zhou"}
"""Papers of rivals that publish learned weights too -> the recipe that these were trained by."""


@dataclass(frozen=True)
class PublishedNumber:
    """One row of the table of published numbers: a test accuracy in percent.

    Attributes:
        source: the paper.
        figure: where it is in the paper; the experiment that repeats it has the same name.
        dataset, architecture, method, options: what was trained; options is None for methods without.
        metric: what the value is.
        value, low, high: the mean, and the lowest and the highest seed; None where these two are unknown.
        reading_uncertainty: half the width of the reading, in points.
        provenance: how it was read.
    """

    source: str
    figure: str
    dataset: str
    architecture: str
    method: str
    options: int | None
    metric: str
    value: float
    low: float | None
    high: float | None
    reading_uncertainty: float
    provenance: str


@dataclass(frozen=True)
class Published:
    """One published test accuracy (percent): mean, lowest and highest seed where known, half-width of the reading.

    `provenance` says where it was read; `elsewhere`, what other figures or tables of the paper give for the same cell.
    """

    figure: str
    dataset: str
    value: float
    low: float | None
    high: float | None
    reading_uncertainty: float
    provenance: str
    elsewhere: str


def read_reference(path: str | Path) -> list[PublishedNumber]:
    """Read the published numbers: those of the slot-machines paper, and of the papers of its rivals.

    Raises:
        UserError: the file is missing or damaged.
    """
    columns = [field.name for field in fields(PublishedNumber)]
    table = read_table(path, columns, "give the table of the published numbers: config/reference.csv")[columns]
    rows = table.astype(object).where(table.notna(), None).itertuples(index=False)
    return [PublishedNumber(*row) for row in rows]


def published_at(
    reference: Sequence[PublishedNumber], dataset: str, network: str, method: str, options: int | None, place: str = ""
) -> PublishedNumber | None:
    """The published number of a cell at a place of the slot-machines paper; None where it gives none there.

    Args:
        place: a version of the paper (a `source` that begins like `SOURCE`) or a part of it (a `figure`); blank for its
            figure of accuracy against K.
    """
    source, figure = (place, "") if place.startswith(SOURCE) else (SOURCE, place or "k-sweep")
    wanted = (source, dataset, network, method, options)
    for one in reference:
        if (one.source, one.dataset, one.architecture, one.method, one.options) == wanted and figure in (
            "",
            one.figure,
        ):
            return one
    return None


def published(reference: Sequence[PublishedNumber], experiment: str, cell: Cell) -> Published | None:
    """The published counterpart of a cell, or None.

    The experiment's own figure comes first, then k-sweep, selection, and the abstract. A number of the same dataset
    comes before one of another dataset, which is not comparable. Numbers are taken from the paper; for a rival's
    method, also from the rival's paper; for learned weights in a rival's settings, only from the rival's paper.
    """
    if not cell.is_comparable:
        return None
    same = [one for one in reference if _is_counterpart(one, cell)]
    same.sort(key=lambda one: one.dataset != cell.dataset)
    for figure in (experiment, f"table-{experiment}", "k-sweep", "selection", "abstract", "table-1"):
        for one in same:
            if one.figure == figure:
                others = [other for other in same if other.dataset == one.dataset and other.figure != figure]
                return Published(
                    figure=figure,
                    dataset=one.dataset,
                    value=one.value,
                    low=one.low,
                    high=one.high,
                    reading_uncertainty=one.reading_uncertainty,
                    provenance=one.provenance,
                    elsewhere="; ".join(f"{other.value} ({other.provenance})" for other in others),
                )
    return None


def _is_counterpart(one: PublishedNumber, cell: Cell) -> bool:
    """Whether a published number is of the network, method and K of a cell, on any dataset."""
    if (one.architecture, one.method) != (cell.network, cell.method):
        return False
    if cell.recipe in RIVAL_RECIPES:
        is_source = RECIPES.get(one.source) == cell.recipe
    else:
        is_source = cell.method in RIVALS or one.source == SOURCE
    return is_source and (cell.options is None or one.options == cell.options)
