"""The scoreboard: every number that the paper and its rivals publish, and what our runs say about it.

A number counts once. Listed apart are numbers of untrained networks, of cells that chose the recipe, and further
numbers of a cell that has one already.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import fmean
from typing import Any

import pandas as pd

from slotmachines.methods import METHODS, RIVALS
from slotmachines.networks.names import network_label
from slotpipeline.analysis.cell_results import is_chosen_by, judge, runs_of, scope_of
from slotpipeline.analysis.text import DASH, method_name, number, span
from slotpipeline.analysis.verdict import Verdict
from slotpipeline.data.datasets import dataset_label
from slotpipeline.reporting.tables import CHOSEN
from slotpipeline.results.read import Results
from slotpipeline.results.reference import RECIPES, SOURCE, PublishedNumber
from slotpipeline.runs.cell import ByRecipe, Cell, cell_run

JUDGED = (
    Verdict.REPRODUCED, Verdict.ABOVE, Verdict.BELOW, Verdict.INCONCLUSIVE, Verdict.TOO_FEW_SEEDS,
    Verdict.TOO_UNCERTAIN, Verdict.NOT_RUN,
)  # fmt: skip
UNTRAINED, CHOSE, AGAIN = "untrained network", "chose the recipe", "published again"
"""Why a number is listed apart."""

_FIGURES = ("k-sweep", "selection", "rivals", "table-1", "abstract")
"""Where the number of a cell is published that counts, if several places publish one: the first of these."""
_CELL = ["dataset", "network", "method", "recipe", "options"]


def scoreboard(grids: Sequence[Results]) -> pd.DataFrame:
    """One row per published number.

    Columns: source, figure, dataset, network, method, recipe (blank for the scope's), options, paper, ours, n,
    difference, its 90% interval (low, high), tolerance, reading_uncertainty, verdict, verdict_if_exact (without the
    spread of the paper's seeds), chosen_by, apart (why it does not count; blank where it does), grid, other_mean and
    other_n (runs of the same settings whose seeds do not count), provenance.
    """
    board = pd.DataFrame([_judged(grids, row) for row in grids[0].reference]).astype(
        {"options": "Int64", "ours": "float64"}
    )
    places = {figure: rank for rank, figure in enumerate(_FIGURES)}
    rank = board["figure"].map(places).fillna(len(places)) + len(places) * board["source"].str.startswith(f"{SOURCE}v")
    again = board.assign(rank=rank).sort_values("rank", kind="stable").duplicated(_CELL)
    return board.assign(apart=board["apart"].mask((board["apart"] == "") & again.sort_index(), AGAIN))


def _judged(grids: Sequence[Results], row: PublishedNumber) -> dict[str, Any]:
    options = None if row.method == "random" else row.options
    recipe = "" if row.method in RIVALS else RECIPES.get(row.source, "")
    cell = Cell(row.dataset, row.architecture, row.method, options, ByRecipe(recipe) if recipe else None)
    chosen = any(is_chosen_by(results.config, cell) for results in _training(grids, cell))
    entry: dict[str, Any] = {
        "source": row.source, "figure": row.figure, "dataset": cell.dataset, "network": cell.network,
        "method": cell.method, "recipe": recipe, "options": options, "paper": row.value, "ours": None, "n": 0,
        "difference": None, "low": None, "high": None, "tolerance": None,
        "reading_uncertainty": row.reading_uncertainty, "verdict": str(Verdict.NOT_RUN),
        "verdict_if_exact": str(Verdict.NOT_RUN), "chosen_by": chosen,
        "apart": UNTRAINED if not METHODS[cell.method].is_trained else CHOSE if chosen else "", "grid": "",
    }  # fmt: skip
    counted: set[str] = set()
    for results in _training(grids, cell):
        scope = scope_of(results, cell)
        if scope is None or results.registration is None:
            continue
        judged, found = judge(results, cell, row), runs_of(results, cell, scope.seeds)
        counted = {one["identity"] for one in found}
        entry |= {
            "ours": fmean(one["test_accuracy"] for one in found) if judged.n else None, "n": judged.n,
            "difference": judged.difference, "low": judged.low, "high": judged.high,
            "tolerance": results.registration.tolerance[cell.dataset], "verdict": str(judged.verdict),
            "verdict_if_exact": str(judged.if_exact), "grid": results.config["grid"],
        }  # fmt: skip
        break
    others = _other_runs(grids, cell, counted)
    return entry | {
        "other_mean": fmean(others.values()) if others else None,
        "other_n": len(others),
        "provenance": row.provenance,
    }


def _training(grids: Sequence[Results], cell: Cell) -> list[Results]:
    """The grids that train the network of a cell on its dataset."""
    return [results for results in grids if results.config["networks"].get(cell.network) == cell.dataset]


def _other_runs(grids: Sequence[Results], cell: Cell, counted: set[str]) -> dict[str, float]:
    """Identity -> accuracy of the runs of a cell that have its recipe's own settings, but do not count."""
    found: dict[str, float] = {}
    for results in _training(grids, cell):
        plain = cell_run({"recipe": results.config["recipe"]}, cell, 0)
        if cell_run(results.config, cell, 0).identity == plain.identity:
            runs = runs_of(results, cell, sorted(set(results.runs["seed"])))
            found |= {one["identity"]: float(one["test_accuracy"]) for one in runs}
    return {identity: accuracy for identity, accuracy in found.items() if identity not in counted}


_IN_WORDS = {
    Verdict.TOO_FEW_SEEDS: "with too few seeds so far",
    Verdict.TOO_UNCERTAIN: "that the paper's own seeds leave too uncertain to judge",
}
"""What a sentence calls a verdict, where its name does not say it."""


def counts(board: pd.DataFrame) -> dict[str, int]:
    """Verdict -> how many of the numbers that count have it."""
    found = Counter(board[board["apart"] == ""]["verdict"])
    return {str(verdict): found[str(verdict)] for verdict in JUDGED}


def apart(board: pd.DataFrame) -> dict[str, int]:
    """Reason -> how many numbers are listed apart for it."""
    found = Counter(board["apart"])
    return {reason: found[reason] for reason in (CHOSE, AGAIN, UNTRAINED)}


def sentence(board: pd.DataFrame) -> str:
    """The scoreboard in words."""
    found, left = counts(board), apart(board)
    tested = {verdict: count for verdict, count in found.items() if count and verdict != Verdict.NOT_RUN}
    said = ", ".join(f"{count} {_IN_WORDS.get(Verdict(verdict), verdict)}" for verdict, count in tested.items())
    return (
        f"We tested {sum(tested.values())} of the {sum(found.values())} published numbers that count"
        f"{f': {said}' if said else ''}. Not counted are {sum(left.values())} others: {left[CHOSE]} by which we chose "
        f"our settings ({CHOSEN}), {left[AGAIN]} that the paper gives a second time, and {left[UNTRAINED]} of "
        f"untrained networks."
    )


def readable_board(board: pd.DataFrame) -> pd.DataFrame:
    """One row of text per published number that was run."""
    rows = []
    judged: list[Any] = list(board.itertuples())
    for row in judged:
        if not row.n and not row.other_n:
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
                "difference": number(row.difference, "+.2f"),
                "90% interval": span(row.low, row.high, "+.2f"),
                "tolerance": DASH if pd.isna(row.tolerance) else f"±{number(row.tolerance)}",
                "reading": f"±{number(row.reading_uncertainty)}",
                "seeds that do not count": f"{number(row.other_mean)} (n = {row.other_n})" if row.other_n else DASH,
                "counts": f"no: {row.apart}" if row.apart else "yes",
                "if the paper were exact": row.verdict_if_exact,
                "verdict": row.verdict + (f" {CHOSEN}" if row.chosen_by else ""),
            }
        )
    return pd.DataFrame(rows)


def by_dataset(board: pd.DataFrame) -> pd.DataFrame:
    """How many published numbers of each dataset have which verdict, and how many do not count."""
    rows = []
    for dataset, part in board.groupby("dataset", sort=False):
        verdicts = {verdict: str(count) for verdict, count in counts(part).items()}
        listed = {"listed apart": str(int((part["apart"] != "").sum()))}
        rows.append({"dataset": dataset_label(str(dataset)), "published": str(len(part))} | verdicts | listed)
    return pd.DataFrame(rows)
