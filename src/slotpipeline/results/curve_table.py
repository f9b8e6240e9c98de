"""The curves of finished runs: the rows of their curve.csv, one per epoch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

import pandas as pd

from slotpipeline.runs.csv_tables import COLUMN_TYPES, require_percentages
from slotpipeline.runs.run import Run
from slotpipeline.runs.run_files import CURVE, RunFiles, run_files
from slotpipeline.runs.run_record import CURVE_COLUMNS, OLD_CURVE_COLUMNS, unreadable


def read_curves(runs: Sequence[Run], results: Path) -> pd.DataFrame:
    """The curves of runs, one after the other, with the columns `CURVE_COLUMNS`; of a run without training no row.

    They are read as one text, as ten thousand small tables would take minutes.

    Args:
        runs: finished ones.
        results: the grid's folder of results, with the folders of the runs in `runs`.

    Raises:
        UserError: a curve is missing or damaged.
    """
    rows: dict[str, list[str]] = defaultdict(list)
    for run in runs:
        header, lines = _lines(run, run_files(run, results))
        rows[header] += [f"{run.identity},{line}" for line in lines]
    try:
        parts = [_table(header, lines) for header, lines in rows.items() if lines]
    except ValueError:
        for run in runs:
            _require_readable(run, run_files(run, results))
        raise
    whole = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    return whole.reindex(columns=list(CURVE_COLUMNS))


def _lines(run: Run, files: RunFiles) -> tuple[str, list[str]]:
    """The header of a curve and its rows, one per epoch, each with as many entries."""
    try:
        header, *rows = files.curve.read_text(encoding="utf-8").splitlines() or [""]
        if header and (lost := set(OLD_CURVE_COLUMNS) - {"identity", *header.split(",")}):
            raise ValueError(f"the column {min(lost)} is missing")
        if any(row.count(",") != header.count(",") or '"' in row for row in rows):
            raise ValueError("its rows have different lengths")
        if len(rows) != (epochs := run.settings.epochs - run.start_epoch):
            raise ValueError(f"it has {len(rows)} rows for {epochs} epochs")
    except (OSError, ValueError) as error:
        raise unreadable(files.folder, error, CURVE) from None
    return header, rows


def _table(header: str, lines: list[str]) -> pd.DataFrame:
    table = pd.read_csv(StringIO("\n".join([f"identity,{header}", *lines])), dtype=COLUMN_TYPES, index_col=False)
    require_percentages(table)
    return table


def _require_readable(run: Run, files: RunFiles) -> None:
    header, lines = _lines(run, files)
    try:
        if lines:
            _table(header, [f",{line}" for line in lines])
    except ValueError as error:
        raise unreadable(files.folder, error, CURVE) from None
