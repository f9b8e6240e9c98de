"""What each grid costs, on a processor core and on a GPU: a table for the README."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from slotmachines.errors import NotMeasured
from slotmachines.networks.names import network_label
from slotpipeline.analysis.text import DASH
from slotpipeline.experiments.config_schema import grids_of
from slotpipeline.experiments.grid import grid_runs
from slotpipeline.runs.gpu_time import gpu_hours, read_gpu_seconds
from slotpipeline.runs.run import Run
from slotpipeline.runs.run_time import EpochSeconds, read_seconds, seconds_per_epoch


def grids_markdown(configs: Path, seconds_csv: Path, epochs_csv: Path) -> str:
    """A table of the grids in a folder, the smallest first, and a note that says how its hours were counted.

    Args:
        configs: folder of the configs; what is not a config of a grid in it is left out.
        seconds_csv: seconds per epoch on a processor core (`make measure`).
        epochs_csv: seconds per epoch on a GPU (`make epochs`).

    Raises:
        UserError: a file is missing or damaged.
    """
    measured = read_seconds(seconds_csv)
    on_gpu = read_gpu_seconds(epochs_csv)
    found = [(config, path, grid_runs(config)) for path, config in grids_of(configs).items()]
    rows, left_out = [], set()
    for config, path, runs in sorted(found, key=lambda one: len(one[2])):
        gpu, missing = gpu_hours(runs, on_gpu)
        left_out |= missing if gpu >= 1 else set()
        rows.append(
            {
                "config": f"`{path.name}`",
                "grid": config["description"].partition(",")[0],
                "runs": f"{len(runs):,}",
                "core hours": _core_hours(runs, measured),
                "GPU hours": f"about {gpu:.0f}" if gpu >= 1 else DASH,
            }
        )
    device = ", ".join(dict.fromkeys(on_gpu["device"]))
    without = f" without {', '.join(map(network_label, sorted(left_out)))}" if left_out else ""
    note = (
        f"GPU: one {device}{without}, several runs side by side; rivals counted like slot machines. "
        '"+ runs": not measured.'
    )
    return f"{pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)}\n\n{note}"


def _core_hours(runs: Sequence[Run], measured: EpochSeconds) -> str:
    """Hours of the runs whose epochs were measured, and how many more runs there are."""
    hours, unknown = [], 0
    for run in runs:
        if (epochs := run.settings.epochs - run.start_epoch) <= 0:
            continue
        try:
            hours.append(seconds_per_epoch(run, measured) * epochs / 3600)
        except NotMeasured:
            unknown += 1
    total = math.fsum(hours)
    text = "below 1" if total < 1 else f"about {float(f'{total:.3g}'):,.0f}"
    return f"{text} (+ {unknown} runs)" if unknown else text
