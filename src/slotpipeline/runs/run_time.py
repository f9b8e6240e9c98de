"""What runs will cost, from epochs measured beforehand."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from slotmachines.errors import NotMeasured, UserError
from slotpipeline.runs.csv_tables import read_table
from slotpipeline.runs.run import Run

_MEASURE, _BENCH = (("make it with: make measure",) * 2, ("make it with: make bench",) * 2)


EpochSeconds = Mapping[tuple[str, str, str], tuple[NDArray[np.float64], NDArray[np.float64]]]
"""Network, dataset and method -> the numbers of options K (NaN without any) and the seconds measured for an epoch."""


def estimated_hours(runs: Sequence[Run], measured: EpochSeconds) -> float:
    """Hours that the runs take one after the other, on the machine on which their epochs were measured.

    Args:
        runs: the runs to be made.
        measured: see `read_seconds`.

    Raises:
        NotMeasured: a network or method of the runs was not measured.
    """
    return math.fsum(_hours(group, measured) for group in _alike(runs))


def time_text(runs: Sequence[Run], measured: EpochSeconds | UserError, *, explained: bool = False) -> str:
    """As `estimated_hours`, in words: "about 3.5 hours", "unknown time", or both; if `explained`, why it is unknown.

    `measured`: see `seconds_if_readable`.
    """
    known, unknown, reason = 0.0, 0, ""
    if isinstance(measured, UserError):
        unknown, reason = len(runs), str(measured)
    else:
        for group in _alike(runs):
            try:
                known += _hours(group, measured)
            except NotMeasured as error:
                unknown, reason = unknown + len(group), reason or str(error)
    text = duration_text(known)
    if unknown:
        text = f"{text} and unknown time for {unknown} of {len(runs)} runs" if known else "unknown time"
    return f"{text} ({reason})" if explained and reason else text


def duration_text(hours: float) -> str:
    """A time in words: "about 12 minutes", "about 3.5 hours"."""
    if hours * 60 < 1:
        return "less than a minute"
    return f"about {hours * 60:.0f} minutes" if hours < 1 else f"about {hours:.1f} hours"


def _alike(runs: Sequence[Run]) -> list[list[Run]]:
    """The runs that train for at least one epoch, in groups whose epochs take equally long."""
    groups: dict[tuple[Any, ...], list[Run]] = defaultdict(list)
    for run in runs:
        if run.settings.epochs > run.start_epoch:
            groups[run.network, run.dataset, run.method, run.options, run.parent is not None].append(run)
    return list(groups.values())


def _hours(alike: Sequence[Run], measured: EpochSeconds) -> float:
    return seconds_per_epoch(alike[0], measured) * sum(run.settings.epochs - run.start_epoch for run in alike) / 3600


def read_seconds_table(path: str | Path) -> pd.DataFrame:
    """The measured times of an epoch, as they are in the table: a row for each.

    Raises:
        UserError: the table is missing or damaged.
    """
    return read_table(path, ["network", "dataset", "method", "options", "seconds_per_epoch"], *_MEASURE)


def read_seconds(path: str | Path) -> EpochSeconds:
    """The measured times of an epoch on a processor core.

    Raises:
        UserError: the table (see `make measure`) is missing or damaged.
    """
    table = read_seconds_table(path).dropna(subset="seconds_per_epoch")
    return {
        (str(network), str(dataset), str(method)): (
            rows["options"].to_numpy(float),
            rows["seconds_per_epoch"].to_numpy(float),
        )
        for (network, dataset, method), rows in table.groupby(["network", "dataset", "method"])
    }


def seconds_if_readable(path: str | Path) -> EpochSeconds | UserError:
    """As `read_seconds`, or why there are none."""
    try:
        return read_seconds(path)
    except UserError as error:
        return error


def seconds_per_epoch(run: Run, measured: EpochSeconds) -> float:
    """Seconds that an epoch of a run takes, of a finetuned run one of its own; `measured`: see `read_seconds`.

    The time of an epoch is a straight line in K, fitted to the measured times; it does not fall with K. Greedy
    selection takes nearly the same time at any K, so its line ends at the largest K that was measured.

    Raises:
        NotMeasured: the table lacks the run's network or method.
    """
    method = "learned" if run.parent else run.method
    if (found := measured.get((run.network, run.dataset, method))) is None:
        raise NotMeasured(
            f"no epoch of {run.network} on {run.dataset}, {method}, was measured; add it with: make measure"
        )
    options, seconds = found
    if run.parent or run.options is None:
        return float(seconds.mean())
    slope = max(np.polyfit(options, seconds, 1)[0], 0.0) if len(seconds) > 1 else 0.0
    count = min(run.options, options.max()) if method == "greedy" else run.options
    return float(seconds.mean() + slope * (count - options.mean()))


def read_step_times(path: str | Path, *, required: bool = True) -> pd.DataFrame:
    """The times of a training step by that of an ordinary one, measured in turns by `make bench`.

    Args:
        path: the table.
        required: if not, a missing table counts as one without rows.

    Raises:
        UserError: the table is missing or damaged.
    """
    columns = ["network", "selection", "options", "method", "ratio"]
    if not required and not Path(path).is_file():
        return pd.DataFrame(columns=columns)
    times = read_table(path, columns, *_BENCH)
    return times[times["method"] == "one-number"]


def relative_step_time(run: Run, times: pd.DataFrame) -> float:
    """Time of a step of a run by that of ordinary training of its network: at the nearest K (in octaves) measured.

    Args:
        run: a slot machine, or a network that is trained in the usual way, for which it is 1.
        times: see `read_step_times`.

    Raises:
        NotMeasured: the network or its selection rule was not measured.
    """
    if run.parent or run.options is None:
        return 1.0
    rows = times[(times["network"] == run.network) & (times["selection"] == run.method)]
    if rows.empty:
        raise NotMeasured(f"no step of {run.network}, {run.method}, was measured; add it with: make bench")
    octaves = np.abs(np.log2(rows["options"].to_numpy(float)) - math.log2(run.options))
    return float(rows["ratio"].to_numpy(float)[octaves.argmin()])
