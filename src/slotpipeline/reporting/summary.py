"""A grid in a few numbers: what versions of it are compared by."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from slotmachines.files import replacing
from slotpipeline.reporting.scoreboard import counts, scoreboard
from slotpipeline.reporting.tables import experiment_tables, rows_of
from slotpipeline.results.read import Results


def cell_name(row: Any) -> str:
    """Short name of a table row, such as `lenet-greedy-8` or `lenet-greedy-8-finetuned-after-75`."""
    parts = [row.network, row.method, "" if pd.isna(row.options) else str(row.options), row.variant]
    return "-".join(part.replace(" ", "-") for part in parts if part)


def summarise_grid(results: Results) -> dict[str, Any]:
    """Mean test accuracy (percent) of every cell that was run, by experiment, and how many verdicts of each kind."""
    accuracy = {
        name: {cell_name(row): round(row.mean, 3) for row in rows_of(table) if row.n}
        for name, table in experiment_tables(results).items()
    }
    return {"accuracy": accuracy, "verdicts": counts(scoreboard([results]))}


def write_summary(results: Results, output: str | Path) -> None:
    """Write the summary of a grid as JSON, the same bytes for the same input."""
    with replacing(output) as temporary:
        temporary.write_text(json.dumps(summarise_grid(results), indent=2, sort_keys=True) + "\n")
