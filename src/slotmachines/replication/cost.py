"""What runs will cost, from epochs measured beforehand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from slotmachines.errors import UserError
from slotmachines.replication.run import Run


def estimated_hours(runs: Sequence[Run], seconds_csv: str | Path) -> float:
    """Hours that the runs take one after the other, on the machine on which their epochs were measured.

    The time of an epoch with K options is a straight line in K through the measured ones, which does not fall: greedy
    selection takes the same time at any K, up to what the measurement scatters.

    Args:
        runs: the runs to be made.
        seconds_csv: table of network, dataset, method, options and seconds_per_epoch (see `make measure`).

    Raises:
        UserError: the table is missing, or lacks a network or method of the runs.
    """
    try:
        measured = pd.read_csv(seconds_csv)
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {seconds_csv}: {error}; make it with: make measure") from None
    return math.fsum(_seconds(run, measured, str(seconds_csv)) for run in runs) / 3600


def _seconds(run: Run, measured: pd.DataFrame, name: str) -> float:
    method = "learned" if run.parent else run.method
    epochs = run.settings.epochs - run.start_epoch
    if epochs == 0:
        return 0.0
    rows = measured[
        (measured["network"] == run.network) & (measured["dataset"] == run.dataset) & (measured["method"] == method)
    ]
    if rows.empty:
        raise UserError(f"{name} has no epoch of {run.network} on {run.dataset}, {method}; add it with: make measure")
    if run.parent or run.options is None:
        return epochs * float(rows["seconds_per_epoch"].mean())
    options, seconds = rows["options"].to_numpy(float), rows["seconds_per_epoch"].to_numpy(float)
    slope = max(np.polyfit(options, seconds, 1)[0], 0.0) if len(rows) > 1 else 0.0
    return epochs * float(seconds.mean() + slope * (run.options - options.mean()))
