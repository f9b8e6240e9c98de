"""What runs will cost on a GPU, from epochs measured there beforehand."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from slotmachines.errors import NotMeasured, UserError
from slotmachines.methods import find_method
from slotmachines.networks.names import network_label
from slotpipeline.runs.csv_tables import read_table
from slotpipeline.runs.run import Run
from slotpipeline.runs.run_time import EpochSeconds, duration_text, time_text

_COLUMNS = ["network", "method", "options", "cuda_graph", "runs_together", "seconds", "device"]


def read_gpu_seconds(path: str | Path, *, required: bool = True) -> pd.DataFrame:
    """The measured times of an epoch on a GPU.

    Args:
        path: table of network, method, cuda_graph, runs_together and seconds per epoch (see `make epochs`).
        required: if not, a missing table counts as one without rows.

    Raises:
        UserError: the table is missing or damaged.
    """
    if not required and not Path(path).is_file():
        return pd.DataFrame(columns=_COLUMNS)
    return read_table(path, _COLUMNS, *("make it with: make epochs",) * 2)


def gpu_hours(runs: Sequence[Run], measured: pd.DataFrame) -> tuple[float, set[str]]:
    """Hours of the runs on a GPU, as many side by side as were measured, and the networks that were not measured there.

    Rivals count like slot machines; `measured`: see `read_gpu_seconds`.
    """
    graphs = _graphs(measured)
    greedy = graphs[graphs["method"] == "greedy"].groupby("network")["seconds"].min()
    epochs: dict[tuple[str, bool], int] = defaultdict(int)
    for run in runs:
        epochs[run.network, run.method == "probabilistic"] += max(run.settings.epochs - run.start_epoch, 0)
    missing = {network for (network, _), count in epochs.items() if count and network not in greedy}
    seconds = [
        count * (_sampling(graphs) if samples else 1.0) * float(greedy[network])
        for (network, samples), count in epochs.items()
        if count and network in greedy
    ]
    return math.fsum(seconds) / 3600, missing


def gpu_hours_or_none(runs: Sequence[Run], measured: pd.DataFrame) -> tuple[float | None, set[str]]:
    """As `gpu_hours`; None where no network of the runs was measured, or the table is of another make."""
    try:
        hours, missing = gpu_hours(runs, measured)
    except UserError:
        return None, set()
    return hours or None, missing


def gpu_time_text(runs: Sequence[Run], measured: pd.DataFrame) -> str:
    """As `gpu_hours`, in words, with the GPU that was measured; blank where no run's network was."""
    hours, missing = gpu_hours_or_none(runs, measured)
    if hours is None:
        return ""
    without = f", {', '.join(map(network_label, sorted(missing)))} not counted" if missing else ""
    device = ", ".join(dict.fromkeys(measured["device"]))
    return f"{duration_text(hours)} on a GPU like {device}{without}"


def cost_text(
    runs: Sequence[Run], seconds_csv: str | Path, measured: EpochSeconds | UserError, on_gpu: pd.DataFrame
) -> str:
    """What runs take on a processor core and, where that was measured, on a GPU, in words.

    Args:
        seconds_csv, measured: what an epoch costs on a core, see `seconds_if_readable`.
        on_gpu: see `read_gpu_seconds`.
    """
    core = f"{time_text(runs, measured, explained=True)}, on one processor core like that of {seconds_csv}"
    gpu = gpu_time_text(runs, on_gpu)
    return f"{core}; {gpu}" if gpu else core


def gpu_seconds_per_epoch(run: Run, measured: pd.DataFrame) -> float:
    """Seconds that an epoch of a run takes that has a GPU for itself; `measured`: see `read_gpu_seconds`.

    Rivals are trained without a CUDA graph: they count as slower by as much as a slot machine without one is, at most.

    Raises:
        NotMeasured: the table lacks the run's network.
    """
    graphs = _graphs(measured)
    alone = graphs[(graphs["network"] == run.network) & (graphs["runs_together"] == 1)]
    rows = alone[alone["method"] == "greedy"]
    if rows.empty:
        raise NotMeasured(f"no epoch of {run.network} was measured on a GPU; add it with: make epochs")
    seconds = float(rows["seconds"].max())
    if find_method(run.method).rule:
        return seconds * _without_graph(measured)
    if run.method != "probabilistic":
        return seconds
    # Sampling takes time in proportion to K, beyond the K that was measured.
    most = float(graphs.loc[graphs["method"] == "probabilistic", "options"].astype(float).max())
    return seconds * (1 + (_sampling(graphs) - 1) * max(1.0, (run.options or 1) / most))


def _graphs(measured: pd.DataFrame) -> pd.DataFrame:
    return measured[measured["cuda_graph"].astype(str) == "True"]


def _without_graph(measured: pd.DataFrame) -> float:
    """How many times as long an epoch takes at most without a CUDA graph; 1 where that was not measured."""
    greedy = measured[(measured["method"] == "greedy") & (measured["runs_together"] == 1)]
    graph = greedy["cuda_graph"].astype(str) == "True"
    fast, slow = (greedy[which].groupby("network")["seconds"].max() for which in (graph, ~graph))
    return max([1.0, *(float(slow[name] / fast[name]) for name in slow.index.intersection(fast.index))])


def _sampling(graphs: pd.DataFrame) -> float:
    """How much longer an epoch of probabilistic selection takes than one of greedy selection, of one network alone."""
    single = graphs[graphs["runs_together"] == 1]
    seconds = dict(zip(zip(single["network"], single["method"], strict=True), single["seconds"], strict=True))
    ratios = [
        float(sampled) / float(seconds[network, "greedy"])
        for (network, method), sampled in seconds.items()
        if method == "probabilistic" and (network, "greedy") in seconds
    ]
    if not ratios:
        raise NotMeasured("the times on a GPU have no row of probabilistic selection; make it with: make epochs")
    return max(ratios)
