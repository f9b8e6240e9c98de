"""The curves of finished runs: the rows of their curve.csv, one per epoch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

import pandas as pd

from slotpipeline.runs.csv_tables import KINDS
from slotpipeline.runs.metrics import CURVE_COLUMNS, OLD_CURVE_COLUMNS, unreadable
from slotpipeline.runs.run import CURVE, Run


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
        header, lines = _lines(run, results / "runs" / run.folder)
        rows[header] += [f"{run.identity},{line}" for line in lines]
    try:
        parts = [_table(header, lines) for header, lines in rows.items() if lines]
    except ValueError:
        for run in runs:
            _require_readable(run, results / "runs" / run.folder)
        raise
    whole = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    return whole.reindex(columns=list(CURVE_COLUMNS))


def _lines(run: Run, folder: Path) -> tuple[str, list[str]]:
    """The header of a curve and its rows, one per epoch, each with as many entries."""
    try:
        header, *rows = (folder / CURVE).read_text(encoding="utf-8").splitlines() or [""]
        if header and not set(OLD_CURVE_COLUMNS) <= {"identity", *header.split(",")}:
            raise ValueError(f"{CURVE} has not the columns of a curve")
        if any(row.count(",") != header.count(",") or '"' in row for row in rows):
            raise ValueError(f"{CURVE} has rows of different lengths")
        if len(rows) != run.settings.epochs - run.start_epoch:
            raise ValueError(f"{CURVE} has not one row per epoch")
    except (OSError, ValueError) as error:
        raise unreadable(folder, error) from None
    return header, rows


def _table(header: str, lines: list[str]) -> pd.DataFrame:
    table = pd.read_csv(StringIO("\n".join([f"identity,{header}", *lines])), dtype=KINDS, index_col=False)
    accuracies = table[["train_accuracy", "val_accuracy", "test_accuracy"]]
    if not ((accuracies >= 0) & (accuracies <= 100)).all(axis=None):
        raise ValueError(f"{CURVE} has accuracies that are no percentages")
    return table


def _require_readable(run: Run, folder: Path) -> None:
    header, lines = _lines(run, folder)
    try:
        if lines:
            _table(header, [f",{line}" for line in lines])
    except ValueError as error:
        raise unreadable(folder, error) from None
