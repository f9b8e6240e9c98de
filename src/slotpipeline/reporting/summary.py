"""A grid in a few numbers: what versions of it are compared by."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from slotmachines.files import replacing
from slotpipeline.analysis.cell_results import CellResult
from slotpipeline.analysis.claim_verdicts import JudgedClaim
from slotpipeline.experiments.outcomes import grid_results
from slotpipeline.reporting.claim_table import JudgedClaims, claims_of_grid
from slotpipeline.reporting.claim_words import so_far
from slotpipeline.reporting.scoreboard import apart, counts, scoreboard
from slotpipeline.reporting.tables import CHOSEN
from slotpipeline.results.read import Results


def cell_name(found: CellResult) -> str:
    """Short name of a cell, such as `lenet-greedy-8` or `lenet-greedy-8-finetuned-after-75`."""
    parts = [found.network, found.method, "" if found.options is None else str(found.options), found.cell.words]
    return "-".join(part.replace(" ", "-") for part in parts if part)


def summary_text(results: Results, found: Mapping[str, Sequence[CellResult]]) -> str:
    """A grid in a few numbers, as JSON.

    Mean test accuracy (percent) of every cell that was run, by experiment; the number of each verdict; the cells that
    chose the recipe; and the verdict of each registered claim.

    Args:
        found: experiment -> the results of its cells, see `grid_results`.
    """
    accuracy = {name: {cell_name(one): round(one.mean, 3) for one in part if one.n} for name, part in found.items()}
    board = scoreboard([results])
    summary: dict[str, Any] = {"accuracy": accuracy, "verdicts": counts(board), "listed apart": apart(board)}
    if chosen := sorted({cell_name(one) for part in found.values() for one in part if one.n and one.is_chosen_by}):
        summary[f"chose the recipe ({CHOSEN})"] = chosen
    if claims := claims_of_grid(results):
        summary["claims"] = {f"{one.claim.name}-{one.scope.name}": _claim(claims, one) for one in claims.judged}
    return json.dumps(summary, indent=2, sort_keys=True) + "\n"


def _claim(claims: JudgedClaims, one: JudgedClaim) -> dict[str, Any]:
    """Verdict of a claim, and of each part that decides it the mean, its 90% interval and the number of seeds."""
    parts = {
        part.name or "mean": [_rounded(part.mean), _rounded(part.low), _rounded(part.high), part.n]
        for part in one.deciding
    }
    return {"verdict": f"{one.verdict}{so_far(one)}{claims.mark(one)}", **parts}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def write_summary(results: Results, output: str | Path) -> None:
    """Write the summary of a grid as JSON, the same bytes for the same input."""
    with replacing(output) as temporary:
        temporary.write_text(summary_text(results, grid_results(results)))
