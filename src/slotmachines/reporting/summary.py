"""A grid in a few numbers: the scoreboard against the paper, and the metrics that versions are compared by."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from slotmachines.files import replacing
from slotmachines.reporting.reference import read_reference
from slotmachines.reporting.results import read_runs
from slotmachines.reporting.table import experiment_tables, rows_of
from slotmachines.reporting.verdict import Verdict

JUDGED = (Verdict.REPRODUCED, Verdict.ABOVE, Verdict.BELOW, Verdict.INCONCLUSIVE, Verdict.NOT_RUN)


def scoreboard(tables: Mapping[str, pd.DataFrame]) -> dict[str, int]:
    """Verdict -> how many published numbers of the grid's own datasets have it; each number counts once.

    Several experiments share numbers (greedy selection at K = 2, say). The experiment in whose figure a number was
    published decides; where the grid leaves that one out, the first that uses it.
    """
    judged: dict[tuple[Any, ...], str] = {}
    rows = [(name, row) for name, table in tables.items() for row in rows_of(table) if not pd.isna(row.tolerance)]
    for _, row in sorted(rows, key=lambda pair: pair[0] != pair[1].paper_figure):
        key = (row.paper_figure, row.dataset, row.network, row.method, None if pd.isna(row.options) else row.options)
        judged.setdefault(key, row.verdict)
    counts = Counter(judged.values())
    return {str(verdict): counts[str(verdict)] for verdict in JUDGED}


def cell_name(row: Any) -> str:
    """Short name of a table row, such as `lenet-greedy-8` or `lenet-greedy-8-finetuned`."""
    parts = [row.network, row.method, "" if pd.isna(row.options) else str(row.options), row.variant]
    return "-".join(part for part in parts if part)


def summarise_grid(tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """Mean test accuracy (percent) of every cell that was run, by experiment, and the scoreboard."""
    accuracy = {
        name: {cell_name(row): round(row.mean, 3) for row in rows_of(table) if row.n} for name, table in tables.items()
    }
    return {"accuracy": accuracy, "verdicts": scoreboard(tables)}


def write_summary(
    config: Mapping[str, Any], runs_csv: str | Path, reference_csv: str | Path, output: str | Path
) -> None:
    """Write the summary of a grid as JSON, the same bytes for the same input."""
    tables = experiment_tables(config, read_runs(runs_csv), read_reference(reference_csv))
    with replacing(output) as temporary:
        temporary.write_text(json.dumps(summarise_grid(tables), indent=2, sort_keys=True) + "\n")
