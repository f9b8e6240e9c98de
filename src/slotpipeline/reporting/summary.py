"""A grid in a few numbers: what versions of it are compared by."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from slotmachines.files import replacing
from slotpipeline.analysis.cell_results import CellResult
from slotpipeline.analysis.claim_verdicts import JudgedClaim
from slotpipeline.experiments.outcomes import grid_results
from slotpipeline.reporting.claim_table import claims_of_grid
from slotpipeline.reporting.scoreboard import counts, scoreboard
from slotpipeline.results.read import Results


def cell_name(found: CellResult) -> str:
    """Short name of a cell, such as `lenet-greedy-8` or `lenet-greedy-8-finetuned-after-75`."""
    parts = [found.network, found.method, "" if found.options is None else str(found.options), found.cell.words]
    return "-".join(part.replace(" ", "-") for part in parts if part)


def summarise_grid(results: Results) -> dict[str, Any]:
    """Mean test accuracy (percent) of every cell that was run, by experiment, and how many verdicts of each kind."""
    accuracy = {
        name: {cell_name(one): round(one.mean, 3) for one in found if one.n}
        for name, found in grid_results(results).items()
    }
    judged = claims_of_grid(results)
    claims = {"claims": _claims(judged)} if judged else {}
    return {"accuracy": accuracy, "verdicts": counts(scoreboard([results])), **claims}


def _claims(judged: Sequence[JudgedClaim]) -> dict[str, Any]:
    """Claim and scope -> verdict, and of each part that decides it the mean, its 90% interval and the seeds."""
    return {
        f"{one.claim.name}-{one.scope.name}": {
            "verdict": str(one.verdict),
            **{
                part.name or "mean": [_rounded(part.mean), _rounded(part.low), _rounded(part.high), part.n]
                for part in one.deciding
            },
        }
        for one in judged
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def write_summary(results: Results, output: str | Path) -> None:
    """Write the summary of a grid as JSON, the same bytes for the same input."""
    with replacing(output) as temporary:
        temporary.write_text(json.dumps(summarise_grid(results), indent=2, sort_keys=True) + "\n")
