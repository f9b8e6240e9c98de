"""The small result files of a grid, which tables, figures and the report are made of."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from slotmachines.errors import UserError
from slotpipeline.results.claims import Registration
from slotpipeline.results.claims_file import read_registration
from slotpipeline.results.collect import CURVES_CSV, EARLY_CSV, RUNS_CSV, SELECTED_COLUMNS, SELECTED_CSV
from slotpipeline.results.predictions_file import Predictions, read_predictions
from slotpipeline.results.reference import PublishedNumber, read_reference
from slotpipeline.runs.config import read_config
from slotpipeline.runs.csv_tables import RESTORE, read_table
from slotpipeline.runs.run_record import CURVE_COLUMNS, EARLY_COLUMNS, OLD_CURVE_COLUMNS, OLD_RUN_COLUMNS, RUN_COLUMNS

Row = Mapping[Any, Any]
"""A row of runs.csv, by the names of its columns."""


@dataclass(frozen=True)
class Results:
    """Everything that a grid's tables, figures and report are made of.

    Attributes:
        config: of the grid, as it was in force.
        runs: one row per run.
        curves: one row per run and epoch.
        selected: one row per run, weight tensor and bin of w / b.
        reference: the published numbers.
        project: the project's folder, to which the files that an experiment needs beside these are relative.
        registration: the registered claims; None in a project that has registered none.
        first_epoch: one row per run of a network with masks and measurement within its first epoch.
        predictions: of runs, written down before them; None in a project without any.
    """

    config: Mapping[str, Any]
    runs: pd.DataFrame
    curves: pd.DataFrame
    selected: pd.DataFrame
    reference: Sequence[PublishedNumber]
    project: Path
    registration: Registration | None = None
    first_epoch: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(EARLY_COLUMNS)))
    predictions: Predictions | None = None

    def runs_of(self, identities: Iterable[str]) -> list[Row]:
        """The rows of those runs that are finished, in the order of `identities`."""
        return [self._rows[identity] for identity in identities if identity in self._rows]

    @cached_property
    def altered_shares(self) -> pd.Series[float]:
        """Identity -> share of the connections not used as they were drawn, at the best epoch on validation."""
        best = self.runs[["identity", "best_epoch"]].rename(columns={"best_epoch": "epoch"})
        return best.merge(self.curves, on=["identity", "epoch"]).set_index("identity")["altered_share"]

    @cached_property
    def last_accuracy(self) -> dict[str, float]:
        """Identity -> test accuracy after the last epoch, of the runs that have a curve."""
        last = self.curves.drop_duplicates("identity", keep="last")
        return dict(zip(last["identity"], last["test_accuracy"].astype(float), strict=True))

    @cached_property
    def _rows(self) -> dict[str, Row]:
        return {row["identity"]: row for row in self.runs.to_dict("records")}


def run_first(path: str | Path) -> str:
    """How to make a missing file of results/<grid>/."""
    grid = Path(path).resolve().parent.name
    return f"run the grid first: snakemake --cores all --configfile config/{grid}.yaml"


def read_runs(path: str | Path) -> pd.DataFrame:
    """Read `runs.csv`, one row per run; a blank variant or data note becomes the empty string.

    Raises:
        UserError: the file is missing or damaged, or holds a run twice.
    """
    runs = read_table(path, OLD_RUN_COLUMNS, run_first(path))
    if runs["identity"].duplicated().any():
        twice = runs.loc[runs["identity"].duplicated(), "identity"].iloc[0]
        raise UserError(f"{path} holds the run {twice} twice; {RESTORE}")
    return runs.fillna({"variant": "", "data_note": ""})


def read_curves(path: str | Path) -> pd.DataFrame:
    """Read `curves.csv.gz`, one row per run and epoch."""
    return read_table(path, OLD_CURVE_COLUMNS, run_first(path)).reindex(columns=list(CURVE_COLUMNS))


def read_selected(path: str | Path) -> pd.DataFrame:
    """Read `selected_weights.csv`, one row per run, weight tensor and bin of w / b; empty where the file is missing."""
    if not Path(path).exists():
        return pd.DataFrame(columns=list(SELECTED_COLUMNS))
    return read_table(path, SELECTED_COLUMNS, run_first(path))


def read_first_epoch(path: str | Path) -> pd.DataFrame:
    """Read `first_epoch.csv`, one row per run and measurement; empty where the file is missing."""
    if not Path(path).exists():
        return pd.DataFrame(columns=list(EARLY_COLUMNS))
    return read_table(path, EARLY_COLUMNS, run_first(path))


def read_results(folder: str | Path, reference_csv: str | Path, project: Path = Path()) -> Results:
    """Read the small result files of a grid from its folder; `project`: the current folder, unless another is given.

    Raises:
        UserError: a file is missing or damaged.
    """
    folder = Path(folder)
    return Results(
        config=read_config(folder / "config.yaml"),
        runs=read_runs(folder / RUNS_CSV),
        curves=read_curves(folder / CURVES_CSV),
        selected=read_selected(folder / SELECTED_CSV),
        reference=read_reference(reference_csv),
        project=project,
        registration=read_registration(project),
        first_epoch=read_first_epoch(folder / EARLY_CSV),
        predictions=read_predictions(project),
    )


def results_so_far(config: Mapping[str, Any], folder: Path, reference_csv: Path, project: Path = Path()) -> Results:
    """As `read_results`, under another config, and empty where nothing has been collected yet.

    Raises:
        UserError: a file that is there is damaged.
    """
    readers: list[tuple[str, Callable[[Path], pd.DataFrame], Sequence[str]]] = [
        (RUNS_CSV, read_runs, RUN_COLUMNS),
        (CURVES_CSV, read_curves, CURVE_COLUMNS),
        (SELECTED_CSV, read_selected, SELECTED_COLUMNS),
    ]
    runs, curves, selected = (
        read(folder / name) if (folder / name).is_file() else pd.DataFrame(columns=list(columns))
        for name, read, columns in readers
    )
    reference = read_reference(reference_csv)
    first_epoch, registration = read_first_epoch(folder / EARLY_CSV), read_registration(project)
    predictions = read_predictions(project)
    return Results(config, runs, curves, selected, reference, project, registration, first_epoch, predictions)


PROCESSOR, ALONE, SHARED, UNKNOWN = "processor", "GPU", "GPU, shared", "GPU, perhaps shared"
"""What the seconds of runs are told apart by: they are not one sample."""
_SHARED_ABOVE = 1.05  # of the share: a short time beside another run does not matter


def median_seconds(runs: pd.DataFrame) -> dict[str, float]:
    """Median wall time of some runs: on a processor, and on a GPU alone, shared with other runs, or perhaps shared.

    Of a run that shared its GPU, its share of the time counts. Older records do not say whether a run did.
    """
    share = runs.get("share_seconds", pd.Series(math.nan, index=runs.index)).astype(float)
    is_shared = runs["wall_seconds"] > _SHARED_ABOVE * share
    on_a_gpu = share.isna().map({True: UNKNOWN, False: ALONE}).mask(is_shared, SHARED)
    kinds = on_a_gpu.mask(runs["device"] == "cpu", PROCESSOR)
    medians = runs["wall_seconds"].mask(kinds == SHARED, share).groupby(kinds, sort=False).median()
    return {str(kind): float(seconds) for kind, seconds in medians.items()}
