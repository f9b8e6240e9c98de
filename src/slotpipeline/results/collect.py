"""From the folders of many runs to one table of results and one of curves."""

from __future__ import annotations

import gzip
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api.types import is_float_dtype

from slotmachines.files import replacing
from slotpipeline.results.curve_table import read_curves
from slotpipeline.results.weight_histograms import histogram
from slotpipeline.runs.csv_tables import read_table
from slotpipeline.runs.recipe import changed_settings
from slotpipeline.runs.run import Run
from slotpipeline.runs.run_files import METRICS, RunFiles, is_finished, run_files
from slotpipeline.runs.run_record import (
    CURVE_COLUMNS,
    EARLY_COLUMNS,
    GPU_COLUMNS,
    RUN_COLUMNS,
    SAMPLED_COLUMNS,
    RunRecord,
    read_run_record,
    unreadable,
)

SELECTED_COLUMNS = ("identity", "layer", "bin", "count")
RUNS_CSV, CURVES_CSV, SELECTED_CSV = "runs.csv", "curves.csv.gz", "selected_weights.csv"
EARLY_CSV = "first_epoch.csv"
"""What networks with masks measured within their first epoch; a grid without such runs lacks it."""


@dataclass(frozen=True)
class Collected:
    """What the small result files of a grid hold.

    Attributes:
        planned, others: how many runs of the grid, and how many that it does not plan, or no longer.
        without_weights: folders of finished runs without weights to count.
    """

    planned: int
    others: int
    without_weights: Sequence[Path]


def collect(planned: Sequence[Run], with_histograms: Sequence[Run], results: Path) -> Collected:
    """Gather the finished runs of a grid into its small result files, and return how many there are.

    They are runs.csv, one row per run; curves.csv.gz, one per run and epoch; selected_weights.csv, a histogram per
    weight tensor; and first_epoch.csv, what networks with masks measured within their first epoch. Rows of runs whose
    folders are elsewhere, or that the grid no longer asks for, stay as they are. The same runs give the same bytes.

    Args:
        planned: all runs of the grid, finished or not.
        with_histograms: the runs whose selected weights are counted.
        results: the grid's folder of results, with the folders of the runs in `runs`.

    Raises:
        UserError: a run's file is missing or damaged.
    """
    finished = [run for run in planned if is_finished(run, results)]
    files = {run.identity: run_files(run, results) for run in finished}
    records = [read_run_record(files[run.identity]) for run in finished]
    rows = pd.DataFrame([_row(run, files[run.identity], record) for run, record in zip(finished, records, strict=True)])
    measured = [{"identity": record.identity, **asdict(row)} for record in records for row in record.first_epoch]
    early = _joined(results / EARLY_CSV, EARLY_COLUMNS, files, [pd.DataFrame(measured)])
    runs = _joined(results / RUNS_CSV, RUN_COLUMNS, files, [rows])
    runs = runs.astype(dict.fromkeys(GPU_COLUMNS, float))
    runs = runs.drop(columns=[name for name in GPU_COLUMNS if len(runs) and runs[name].isna().all()])
    curves = _joined(results / CURVES_CSV, CURVE_COLUMNS, files, [read_curves(finished, results)])
    curves = curves.drop(columns=[name for name in SAMPLED_COLUMNS if curves[name].isna().all()])
    to_count = [run for run in with_histograms if run.identity in files]
    counted = {
        run.identity: histogram(files[run.identity], run) for run in to_count if files[run.identity].weights.is_dir()
    }
    selected = _joined(results / SELECTED_CSV, SELECTED_COLUMNS, counted, list(counted.values()))

    order = {run.identity: number for number, run in enumerate(sorted(planned, key=_sort_key))}
    # Runs that are not planned come last, in the order that they had.
    by_plan: dict[str, Any] = {"by": "identity", "key": lambda column: column.map(order), "kind": "stable"}
    with replacing(results / CURVES_CSV) as temporary:
        # Not pandas' compression, which would put the temporary file's name into the archive.
        text = _text_of(curves.sort_values(**by_plan)).to_csv(index=False)
        temporary.write_bytes(gzip.compress(text.encode(), mtime=0))
    if len(early):
        with replacing(results / EARLY_CSV) as temporary:
            early.sort_values(**by_plan).to_csv(temporary, index=False, float_format="%.6g")
    with replacing(results / SELECTED_CSV) as temporary:
        selected.sort_values(**by_plan).to_csv(temporary, index=False)
    # Last: a run is recorded once runs.csv has its row.
    with replacing(results / RUNS_CSV) as temporary:
        whole = {"options": "Int64", "start_epoch": "Int64"}
        runs.astype(whole).sort_values(**by_plan).to_csv(temporary, index=False, float_format="%.6g")
    here = int(runs["identity"].isin(list(order)).sum())
    without_weights = [files[run.identity].folder for run in to_count if run.identity not in counted]
    return Collected(here, len(runs) - here, without_weights)


def recorded_identities(results: Path) -> set[str]:
    """The identities of the runs that `runs.csv` in a grid's folder of results records; empty without the file.

    Raises:
        UserError: the file is damaged.
    """
    path = results / RUNS_CSV
    return set(read_table(path, ["identity"], "")["identity"]) if path.is_file() else set()


def runs_to_collect(wanted: Iterable[Run], with_histograms: Iterable[Run], results: Path) -> list[Run]:
    """The wanted runs that are finished, and that the small result files lack, or hold from an earlier training.

    Args:
        wanted: runs of the grid.
        with_histograms: the runs whose selected weights are counted.
        results: the grid's folder of results.

    Raises:
        UserError: a small result file is damaged.
    """
    started = _started_by_identity(results / RUNS_CSV)
    path = results / SELECTED_CSV
    counted = set(read_table(path, ["identity"], "")["identity"]) if path.is_file() else set()
    to_count = {run.identity for run in with_histograms} - counted
    return [
        run
        for run in wanted
        if is_finished(run, results)
        and (
            started.get(run.identity) != _started(run_files(run, results))
            or (run.identity in to_count and run_files(run, results).weights.is_dir())
        )
    ]


def _started_by_identity(runs_csv: Path) -> dict[str, str]:
    """Identity of a recorded run -> when it was started; empty without the file."""
    if not runs_csv.is_file():
        return {}
    runs = read_table(runs_csv, ["identity"], "").reindex(columns=["identity", "started"])
    return dict(zip(runs["identity"], runs["started"], strict=True))


def _started(files: RunFiles) -> str | None:
    """When a finished run was started; None where its result is damaged: collecting it says so."""
    try:
        return str(json.loads(files.metrics.read_text(encoding="utf-8"))["started"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _joined(path: Path, columns: Sequence[str], read: Collection[str], parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The rows of the runs that were read now, and the earlier file's rows of all other runs."""
    others = pd.DataFrame(columns=list(columns))
    if path.is_file():
        earlier = read_table(path, ["identity"], "")
        others = earlier[~earlier["identity"].isin(list(read))]
    filled = [part for part in [others, *parts] if len(part)]
    joined = pd.concat(filled, ignore_index=True) if filled else others
    return joined.reindex(columns=list(columns))


def _sort_key(run: Run) -> tuple[Any, ...]:
    return (
        run.dataset, run.network, run.method, run.options or 0, run.variant, run.start_epoch, run.recipe,
        json.dumps(changed_settings(run.settings), sort_keys=True), run.seed,
    )  # fmt: skip


def _row(run: Run, files: RunFiles, record: RunRecord) -> dict[str, Any]:
    """The row of a finished run in runs.csv."""
    if record.identity != run.identity:
        raise unreadable(files.folder, ValueError(f"it is of the run {record.identity}, not {run.identity}"), METRICS)
    row = {name: getattr(record, name) for name in RUN_COLUMNS}
    if record.device == "cpu":
        row["tf32"] = ""  # runs of older versions say false
    return {**row, "settings": json.dumps(changed_settings(record.settings), sort_keys=True)}


def _text_of(table: pd.DataFrame) -> pd.DataFrame:
    """The numbers of a table as text of five significant digits, ten times as fast as pandas writes them."""
    texts = {
        name: [f"{value:.5g}" if value == value else "" for value in column.tolist()]  # NaN is not itself
        if is_float_dtype(column)
        else column
        for name, column in table.items()
    }
    return pd.DataFrame(texts)
