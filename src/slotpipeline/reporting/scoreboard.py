"""The scoreboard: every number that the paper and its rivals publish, and what our runs say about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pandas as pd

from slotmachines.methods import RIVALS
from slotmachines.networks.names import network_label
from slotpipeline.analysis.cell_results import is_chosen_by, judge, runs_of
from slotpipeline.analysis.text import DASH, method_name, number
from slotpipeline.analysis.verdict import Verdict
from slotpipeline.data.datasets import dataset_label
from slotpipeline.reporting.tables import CHOSEN
from slotpipeline.results.read import Results
from slotpipeline.results.reference import RECIPES, SOURCE, Published, PublishedNumber
from slotpipeline.runs.cell import ByRecipe, Cell

JUDGED = (Verdict.REPRODUCED, Verdict.ABOVE, Verdict.BELOW, Verdict.INCONCLUSIVE, Verdict.NOT_RUN)


def scoreboard(grids: Sequence[Results]) -> pd.DataFrame:
    """One row per published number, with the verdict of the grid that has most seeds for it, the first of several.

    Columns: source, figure, dataset, network, method, recipe (blank for the grid's), options, paper, ours, n,
    tolerance, verdict, chosen_by, grid, provenance.
    """
    rows = [_judged(grids, row) for row in grids[0].reference]
    return pd.DataFrame(rows).astype({"options": "Int64"})


def _judged(grids: Sequence[Results], row: PublishedNumber) -> dict[str, Any]:
    options = None if row.method == "random" else row.options
    recipe = "" if row.method in RIVALS else RECIPES.get(row.source, "")
    cell = Cell(row.dataset, row.architecture, row.method, options, ByRecipe(recipe) if recipe else None)
    paper = Published(
        row.figure, row.dataset, row.value, None, None, row.reading_uncertainty, row.provenance, "",
    )  # fmt: skip
    entry: dict[str, Any] = {
        "source": row.source, "figure": paper.figure, "dataset": cell.dataset, "network": cell.network,
        "method": cell.method, "recipe": recipe, "options": options, "paper": paper.value, "ours": None, "n": 0,
        "tolerance": None,
        "verdict": str(Verdict.NOT_RUN), "chosen_by": False, "grid": "", "provenance": paper.provenance,
    }  # fmt: skip
    candidates = [found for results in grids if (found := _verdict_of(results, cell, paper))]
    # By the number of seeds alone: to choose by what they say would choose the verdict.
    return entry | max(candidates, key=lambda found: found["n"], default={})


def _verdict_of(results: Results, cell: Cell, paper: Published) -> dict[str, Any]:
    """What one grid says of a published number; nothing where it has no run of that cell."""
    if results.config["networks"].get(cell.network) != cell.dataset:
        return {}
    found = runs_of(results, cell, sorted(set(results.runs["seed"])))
    if found.empty:
        return {}
    accuracies = tuple(float(accuracy) for accuracy in found["test_accuracy"])
    tolerance, verdict = judge(accuracies, cell, paper, results.config["tolerance"])
    return {
        "ours": found["test_accuracy"].mean(), "n": len(accuracies), "grid": results.config["grid"],
        "tolerance": tolerance, "verdict": str(verdict), "chosen_by": is_chosen_by(results.config, cell),
    }  # fmt: skip


def counts(board: pd.DataFrame) -> dict[str, int]:
    """Verdict -> how many published numbers have it."""
    found = Counter(board["verdict"])
    return {str(verdict): found[str(verdict)] for verdict in JUDGED}


def sentence(board: pd.DataFrame) -> str:
    """The scoreboard in words, and what keeps its numbers from being independent evidence."""
    said = ", ".join(f"{count} {verdict}" for verdict, count in counts(board).items() if count)
    own = int(((board["source"] == SOURCE) & ~board["method"].isin(RIVALS)).sum())
    text = f"Of {len(board)} published numbers ({own} of the paper on its method and baselines, the others of rivals)"
    text += f": {said}."
    run = board[board["verdict"] != Verdict.NOT_RUN]
    cells = run[["dataset", "network", "method", "recipe", "options"]].drop_duplicates()
    if len(cells) < len(run):
        text += f" Those that were run belong to {len(cells)} cells of ours, as some are published twice."
    chosen = int((board["chosen_by"] & (board["verdict"] == Verdict.REPRODUCED)).sum())
    if chosen:
        verb = "belongs to a cell" if chosen == 1 else "belong to cells"
        text += (
            f" {chosen} of those reproduced {verb} by whose closeness to the paper the recipe was chosen ({CHOSEN})."
        )
    return text


def readable_board(board: pd.DataFrame) -> pd.DataFrame:
    """One row of text per published number that was run."""
    rows = []
    judged: list[Any] = list(board.itertuples())
    for row in judged:
        if row.verdict == Verdict.NOT_RUN:
            continue
        rows.append(
            {
                "published in": row.figure if row.source == SOURCE else f"{row.source}, {row.figure}",
                "network": network_label(row.network),
                "dataset": dataset_label(row.dataset),
                "method": method_name(row.method),
                "K": DASH if pd.isna(row.options) else str(row.options),
                "published": number(row.paper),
                "ours": number(row.ours),
                "n": str(row.n),
                "difference": number(row.ours - row.paper, "+.2f"),
                "tolerance": f"±{number(row.tolerance)}",
                "verdict": row.verdict + (f" {CHOSEN}" if row.chosen_by else ""),
            }
        )
    return pd.DataFrame(rows)


def by_dataset(board: pd.DataFrame) -> pd.DataFrame:
    """How many published numbers of each dataset have which verdict."""
    rows = []
    for dataset, part in board.groupby("dataset", sort=False):
        name = dataset_label(str(dataset))
        rows.append({"dataset": name, "published": str(len(part))} | {k: str(v) for k, v in counts(part).items()})
    return pd.DataFrame(rows)
