"""A grid in a few numbers: what versions of it are compared by."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from slotmachines.files import replacing
from slotpipeline.analysis.cell_results import CellResult
from slotpipeline.experiments.outcomes import grid_results
from slotpipeline.reporting.scoreboard import counts, scoreboard
from slotpipeline.results.read import Results


def cell_name(found: CellResult) -> str:
    """Short name of a cell, such as `lenet-greedy-8` or `lenet-greedy-8-finetuned-after-75`."""
    parts = [found.network, found.method, "" if found.options is None else str(found.options), found.cell.words]
    return "-".join(part.replace(" ", "-") for part in parts if part)


def summary_text(results: Results, found: Mapping[str, Sequence[CellResult]]) -> str:
    """Mean test accuracy (percent) of every cell that was run, by experiment, and the number of each verdict; as JSON.

    Args:
        found: experiment -> the results of its cells, see `grid_results`.
    """
    accuracy = {name: {cell_name(one): round(one.mean, 3) for one in part if one.n} for name, part in found.items()}
    summary = {"accuracy": accuracy, "verdicts": counts(scoreboard([results]))}
    return json.dumps(summary, indent=2, sort_keys=True) + "\n"


def write_summary(results: Results, output: str | Path) -> None:
    """Write the summary of a grid as JSON, the same bytes for the same input."""
    with replacing(output) as temporary:
        temporary.write_text(summary_text(results, grid_results(results)))
