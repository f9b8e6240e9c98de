"""From the folders of many runs to one table of results and one of curves."""

from __future__ import annotations

import gzip
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api.types import is_float_dtype

from slotmachines.files import replacing
from slotpipeline.results.curve_table import read_curves
from slotpipeline.results.weight_histograms import histogram
from slotpipeline.runs.csv_tables import read_table
from slotpipeline.runs.metrics import CURVE_COLUMNS, read_metrics, unreadable
from slotpipeline.runs.recipe import changed_settings
from slotpipeline.runs.run import WEIGHTS, Run
from slotpipeline.runs.to_do import is_finished

COLUMNS = (
    "dataset", "network", "method", "options", "variant", "recipe", "seed", "epochs", "start_epoch", "test_accuracy",
    "val_accuracy", "best_epoch", "wall_seconds", "device", "processor", "threads", "commit", "started", "python",
    "torch", "data_note", "identity", "parent", "tf32", "cuda", "settings",
)  # fmt: skip
SELECTED_COLUMNS = ("identity", "layer", "bin", "count")
RUNS_CSV, CURVES_CSV, SELECTED_CSV = "runs.csv", "curves.csv.gz", "selected_weights.csv"


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

    They are runs.csv, one row per run; curves.csv.gz, one per run and epoch; and selected_weights.csv, a histogram per
    weight tensor. What they hold already and is not read anew stays as it is, so that nothing is lost where only the
    small files were kept, or the grid was made smaller. The same runs give the same bytes.

    Args:
        planned: all runs of the grid, finished or not.
        with_histograms: the runs whose selected weights are counted.
        results: the grid's folder of results, with the folders of the runs in `runs`.

    Raises:
        UserError: a run's file is missing or damaged.
    """
    finished = [run for run in planned if is_finished(run, results)]
    folders = {run.identity: results / "runs" / run.folder for run in finished}
    rows = pd.DataFrame([_row(run, folders[run.identity]) for run in finished])
    runs = _joined(results / RUNS_CSV, COLUMNS, folders, [rows])
    curves = _joined(results / CURVES_CSV, CURVE_COLUMNS, folders, [read_curves(finished, results)])
    to_count = {run.identity: folders[run.identity] for run in with_histograms if run.identity in folders}
    counted = {
        run.identity: histogram(folders[run.identity], run)
        for run in with_histograms
        if run.identity in folders and (folders[run.identity] / WEIGHTS).is_dir()
    }
    selected = _joined(results / SELECTED_CSV, SELECTED_COLUMNS, counted, list(counted.values()))

    order = {run.identity: number for number, run in enumerate(sorted(planned, key=_sort_key))}
    # Runs that are not planned come last, in the order that they had.
    by_plan: dict[str, Any] = {"by": "identity", "key": lambda column: column.map(order), "kind": "stable"}
    with replacing(results / CURVES_CSV) as temporary:
        # Not pandas' compression, which would put the temporary file's name into the archive.
        text = _text_of(curves.sort_values(**by_plan)).to_csv(index=False)
        temporary.write_bytes(gzip.compress(text.encode(), mtime=0))
    with replacing(results / SELECTED_CSV) as temporary:
        selected.sort_values(**by_plan).to_csv(temporary, index=False)
    # Last, as a run whose row is there counts as recorded.
    with replacing(results / RUNS_CSV) as temporary:
        whole = {"options": "Int64", "start_epoch": "Int64"}
        runs.astype(whole).sort_values(**by_plan).to_csv(temporary, index=False, float_format="%.6g")
    here = int(runs["identity"].isin(list(order)).sum())
    return Collected(here, len(runs) - here, [to_count[identity] for identity in to_count if identity not in counted])


def recorded_identities(results: Path) -> set[str]:
    """The identities of the runs that `runs.csv` in a grid's folder of results records; none without the file.

    Raises:
        UserError: the file is damaged.
    """
    path = results / RUNS_CSV
    return set(read_table(path, ["identity"], "")["identity"]) if path.is_file() else set()


def _joined(path: Path, columns: Sequence[str], anew: Collection[str], read: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """What was read of some runs anew, and the rows of an earlier file of all others."""
    kept = pd.DataFrame(columns=list(columns))
    if path.is_file():
        earlier = read_table(path, ["identity"], "")
        kept = earlier[~earlier["identity"].isin(list(anew))]
    parts = [part for part in [kept, *read] if len(part)]
    joined = pd.concat(parts, ignore_index=True) if parts else kept
    return joined.reindex(columns=list(columns))


def _sort_key(run: Run) -> tuple[Any, ...]:
    return (
        run.dataset, run.network, run.method, run.options or 0, run.variant, run.start_epoch, run.recipe,
        json.dumps(changed_settings(run.settings), sort_keys=True), run.seed,
    )  # fmt: skip


def _row(run: Run, folder: Path) -> dict[str, Any]:
    """What a run's metrics say of it, as the row of a table."""
    metrics = read_metrics(folder)
    if metrics["identity"] != run.identity:
        raise unreadable(folder, ValueError(f"its metrics are those of the run {metrics['identity']}"))
    if metrics["device"] == "cpu":
        metrics["tf32"] = ""  # runs of older versions say false
    return {**metrics, "settings": json.dumps(changed_settings(metrics["settings"]), sort_keys=True)}


def _text_of(table: pd.DataFrame) -> pd.DataFrame:
    """The numbers of a table as text of five significant digits, ten times as fast as pandas writes them."""
    texts = {
        name: [f"{value:.5g}" if value == value else "" for value in column.tolist()]  # NaN is not itself
        if is_float_dtype(column)
        else column
        for name, column in table.items()
    }
    return pd.DataFrame(texts)
