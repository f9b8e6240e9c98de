"""A grid in a few numbers: what versions of it are compared by."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from slotmachines.files import replacing
from slotpipeline.analysis.cell_results import CellResult
from slotpipeline.experiments.outcomes import grid_results
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
    return {"accuracy": accuracy, "verdicts": counts(scoreboard([results]))}


def write_summary(results: Results, output: str | Path) -> None:
    """Write the summary of a grid as JSON, the same bytes for the same input."""
    with replacing(output) as temporary:
        temporary.write_text(json.dumps(summarise_grid(results), indent=2, sort_keys=True) + "\n")
