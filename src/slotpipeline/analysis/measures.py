"""What some experiments measure beside accuracy, one row per cell of their tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pandas as pd

from slotmachines.errors import NotMeasured
from slotmachines.methods import METHODS
from slotpipeline.data.datasets import find
from slotpipeline.experiments.grid import cell_runs, cells_of
from slotpipeline.reporting.tables import DASH, experiment_table, method_name, number, rows_of
from slotpipeline.results.read import Results
from slotpipeline.results.weight_histograms import BINS
from slotpipeline.runs.flops import read_flops, training_flops
from slotpipeline.runs.run import Run
from slotpipeline.runs.run_time import read_step_times, relative_step_time

Measure = Callable[[Any, Run], dict[str, float]]
"""From a row of a table, and a run of its cell, to what was measured, by name."""

OPERATIONS, STEP_TIME = "operations of a training, 10^12", "time of a step, in ordinary steps"
ALTERED = "connections altered, %"
FLOPS_CSV, STEP_TIMES_CSV = "config/flops_per_step.csv", "results/benchmark/measurements.csv"


def epoch_flops(run: Run, flops: pd.DataFrame) -> float:
    """Floating-point operations of an epoch of a run."""
    return float(training_flops(run, 1, find(run.dataset).train_count - run.settings.validation, flops))


def if_measured(cost: Callable[..., float], *arguments: Any) -> float:
    """`cost(*arguments)`, or NaN where that was not measured beforehand."""
    try:
        return cost(*arguments)
    except NotMeasured:
        return math.nan


def _cost(results: Results) -> Measure:
    flops, times = read_flops(results.project / FLOPS_CSV), read_step_times(results.project / STEP_TIMES_CSV)

    def measure(row: Any, run: Run) -> dict[str, float]:
        return {
            OPERATIONS: if_measured(epoch_flops, run, flops) * run.settings.epochs / 1e12,
            STEP_TIME: if_measured(relative_step_time, run, times),
            "seconds of a training, median": _of(results.runs, row)["wall_seconds"].median(),
        }

    return measure


def _churn(results: Results) -> Measure:
    def measure(row: Any, run: Run) -> dict[str, float]:
        curves = _of(results.curves, row)
        early, late = curves["epoch"] <= 10, curves["epoch"] > run.settings.epochs - 10
        return {
            "changed per epoch in the first ten, %": 100 * curves.loc[early, "changed_share"].mean(),
            "changed per epoch in the last ten, %": 100 * curves.loc[late, "changed_share"].mean(),
        }

    return measure


def _selected_weights(results: Results) -> Measure:
    def measure(row: Any, run: Run) -> dict[str, float]:
        found = {}
        for layer, part in _of(results.selected, row).groupby("layer", sort=False):
            magnitude = ((part["bin"] + 0.5) * 2 / BINS - 1).abs()
            total = part["count"].sum()
            found[f"{layer}: mean abs(w) / b"] = (magnitude * part["count"]).sum() / total
            found[f"{layer}: beyond 0.9 b, %"] = 100 * part.loc[magnitude > 0.9, "count"].sum() / total
        return found

    return measure


def altered_shares(results: Results, identities: Iterable[str]) -> pd.Series[float]:
    """Identity -> share of the connections that are not used as they were drawn, at the best epoch on validation."""
    best = results.runs.loc[results.runs["identity"].isin(list(identities)), ["identity", "best_epoch"]]
    found = best.merge(results.curves, left_on=["identity", "best_epoch"], right_on=["identity", "epoch"])
    return found.set_index("identity")["altered_share"]


def bits_of(row: Any, altered: float) -> float:
    """Bits per connection of what the cell of a row leaves, by the share of altered connections."""
    return METHODS[row.method].bits(None if pd.isna(row.options) else int(row.options), altered)


def _stored(results: Results) -> Measure:
    def measure(row: Any, run: Run) -> dict[str, float]:
        altered = float(altered_shares(results, row.identities).mean())
        return {
            ALTERED: 100 * altered,
            "bits per connection": bits_of(row, altered),
        }

    return measure


CHANGE_GOAL = 0.9
"""Of the accuracy of learned weights, which Ivan and Florian ask for."""


def _connections_changed(results: Results) -> Measure:
    table = experiment_table(results, "connections-changed")
    learned = {row.network: row.mean for row in rows_of(table) if row.method == "learned"}

    def measure(row: Any, run: Run) -> dict[str, float]:
        curves = _of(results.curves, row)
        enough = curves[curves["test_accuracy"] >= CHANGE_GOAL * learned[row.network]]
        fewest = enough.groupby("identity")["altered_share"].min()
        # The mean over the seeds says something only if all of them get there.
        return {
            ALTERED: 100 * altered_shares(results, row.identities).mean(),
            "fewest altered for 90% of learned, %": 100 * fewest.mean() if len(fewest) == row.n else math.nan,
        }

    return measure


def _of(table: pd.DataFrame, row: Any) -> pd.DataFrame:
    return table[table["identity"].isin(row.identities)]


MEASURES: Mapping[str, Callable[[Results], Measure]] = {
    "cost": _cost,
    "churn": _churn,
    "selected-weights": _selected_weights,
    "rivals": _stored,
    "connections-changed": _connections_changed,
    "signs": _stored,
    "initial-weights": _stored,
    "bits": _stored,
}


def measures(results: Results, experiment: str, table: pd.DataFrame) -> pd.DataFrame:
    """What an experiment measures in each of its cells that was run: a row per cell, with the index of the table.

    What was not measured beforehand is NaN.

    Raises:
        UserError: a file of what was measured beforehand (`make measure`, `make bench`) is missing.
    """
    if experiment not in MEASURES:
        return pd.DataFrame()
    measure = MEASURES[experiment](results)
    runs = [next(iter(cell_runs(results.config, cell, [0])), None) for cell in cells_of(results.config, experiment)]
    found = {
        row.Index: measure(row, run) for row, run in zip(rows_of(table), runs, strict=True) if row.n and run is not None
    }
    return pd.DataFrame.from_dict(found, orient="index")


def readable_measures(table: pd.DataFrame, measured: pd.DataFrame) -> pd.DataFrame:
    """The measures as text, beside the names of their cells."""
    rows = table.loc[measured.index]
    names = {
        "network": rows["network"],
        "method": rows["method"].map(method_name),
        "K": [DASH if pd.isna(options) else str(options) for options in rows["options"]],
        "variant": rows["variant"],
    }
    return pd.DataFrame(names | {column: [number(value, ".3g") for value in measured[column]] for column in measured})
