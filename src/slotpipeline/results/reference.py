"""The paper's own numbers, with the uncertainty of reading them off its figures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from slotmachines.methods import RIVALS
from slotpipeline.runs.authors_recipes import RIVAL_RECIPES
from slotpipeline.runs.cell import Cell
from slotpipeline.runs.csv_tables import read_table

SOURCE = "aladago2021"
RECIPES = {"zhou2019": "zhou"}
"""Papers of rivals that publish learned weights too -> the recipe that these were trained by."""
COLUMNS = [
    "source", "figure", "dataset", "architecture", "method", "options", "metric", "value", "low", "high",
    "reading_uncertainty", "provenance",
]  # fmt: skip


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


def read_reference(path: str | Path) -> pd.DataFrame:
    """Read the published numbers: those of the slot-machines paper, and of the papers of its rivals."""
    return read_table(path, COLUMNS, "give the table of the published numbers: config/reference.csv")


def published(reference: pd.DataFrame, experiment: str, cell: Cell) -> Published | None:
    """The published counterpart of a cell, or None.

    The experiment's own figure comes first, then k-sweep, selection, and the abstract. A number of the same dataset
    comes before one of another dataset, which is not comparable. Numbers are taken from the paper; for a rival's
    method, also from the rival's paper; for learned weights in a rival's settings, only from the rival's paper.
    """
    if not cell.is_comparable:
        return None
    same = reference[(reference["architecture"] == cell.network) & (reference["method"] == cell.method)]
    if cell.recipe in RIVAL_RECIPES:
        same = same[same["source"].map(RECIPES) == cell.recipe]
    elif cell.method not in RIVALS:
        same = same[same["source"] == SOURCE]
    if cell.options is not None:
        same = same[same["options"] == cell.options]
    same = pd.concat([same[same["dataset"] == cell.dataset], same[same["dataset"] != cell.dataset]])
    for figure in (experiment, f"table-{experiment}", "k-sweep", "selection", "abstract", "table-1"):
        for row in same[same["figure"] == figure].to_dict("records"):
            low, high = (None if pd.isna(row[side]) else float(row[side]) for side in ("low", "high"))
            others = same[(same["dataset"] == row["dataset"]) & (same["figure"] != figure)].to_dict("records")
            return Published(
                figure=figure,
                dataset=row["dataset"],
                value=float(row["value"]),
                low=low,
                high=high,
                reading_uncertainty=float(row["reading_uncertainty"]),
                provenance=row["provenance"],
                elsewhere="; ".join(f"{other['value']} ({other['provenance']})" for other in others),
            )
    return None
