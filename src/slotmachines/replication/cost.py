"""What runs will cost, from epochs measured beforehand."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from slotmachines.errors import UserError
from slotmachines.replication.run import Run


def estimated_hours(runs: Sequence[Run], seconds_csv: str | Path) -> float:
    """Hours that the runs take one after the other, on the machine on which their epochs were measured.

    Args:
        runs: the runs to be made.
        seconds_csv: table of network, dataset, method, options and seconds_per_epoch (see `make measure`).

    Raises:
        UserError: the table is missing, or lacks a network or method of the runs.
    """
    measured = read_seconds(seconds_csv)
    alike: dict[tuple[Any, ...], list[Run]] = defaultdict(list)
    for run in runs:
        if run.settings.epochs > run.start_epoch:
            # What an epoch costs depends on no more than this.
            alike[run.network, run.dataset, run.method, run.options, run.parent is not None].append(run)
    return (
        math.fsum(
            seconds_per_epoch(group[0], measured) * sum(run.settings.epochs - run.start_epoch for run in group)
            for group in alike.values()
        )
        / 3600
    )


def read_seconds(path: str | Path) -> pd.DataFrame:
    """The measured times of an epoch.

    Raises:
        UserError: the table is missing or damaged.
    """
    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {path}: {error}; make it with: make measure") from None


def seconds_per_epoch(run: Run, measured: pd.DataFrame) -> float:
    """Seconds that an epoch of a run takes, of a finetuned run one of its own; `measured`: see `read_seconds`.

    The time of an epoch with K options is a straight line in K through the measured ones, which does not fall. Greedy
    selection takes nearly the same time at any K: what the measurement scatters is not carried beyond the largest K of
    it.

    Raises:
        UserError: the table lacks the run's network or method.
    """
    method = "learned" if run.parent else run.method
    rows = measured[
        (measured["network"] == run.network) & (measured["dataset"] == run.dataset) & (measured["method"] == method)
    ]
    if rows.empty:
        raise UserError(
            f"no epoch of {run.network} on {run.dataset}, {method}, was measured; add it with: make measure"
        )
    if run.parent or run.options is None:
        return float(rows["seconds_per_epoch"].mean())
    options, seconds = rows["options"].to_numpy(float), rows["seconds_per_epoch"].to_numpy(float)
    slope = max(np.polyfit(options, seconds, 1)[0], 0.0) if len(rows) > 1 else 0.0
    count = min(run.options, options.max()) if method == "greedy" else run.options
    return float(seconds.mean() + slope * (count - options.mean()))


def read_step_times(path: str | Path) -> pd.DataFrame:
    """The times of a training step by that of an ordinary one, measured in turns by `make bench`.

    Raises:
        UserError: the table is missing or damaged.
    """
    try:
        times = pd.read_csv(path)
        return times[times["method"] == "one-number"]
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"cannot read {path}: {error}; make it with: make bench") from None


def relative_step_time(run: Run, times: pd.DataFrame) -> float:
    """Time of a step of a run by that of ordinary training of its network: at the nearest K (in octaves) measured.

    Args:
        run: a slot machine, or a network that is trained in the usual way, for which it is 1.
        times: see `read_step_times`.

    Raises:
        UserError: the network or its selection rule was not measured.
    """
    if run.parent or run.options is None:
        return 1.0
    rows = times[(times["network"] == run.network) & (times["selection"] == run.method)]
    if rows.empty:
        raise UserError(f"no step of {run.network}, {run.method}, was measured; add it with: make bench")
    octaves = np.abs(np.log2(rows["options"].to_numpy(float)) - math.log2(run.options))
    return float(rows["ratio"].to_numpy(float)[octaves.argmin()])
