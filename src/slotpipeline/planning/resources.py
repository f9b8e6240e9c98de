"""What a run asks a cluster for, memory and time, from what was measured beforehand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from slotmachines.errors import UserError
from slotpipeline.runs.run import Run
from slotpipeline.runs.run_time import seconds_per_epoch

_LIBRARIES = 2500  # megabytes, with the images and with what Snakemake needs beside the run
_BYTES_PER_CONNECTION = 64  # at most 61 in results/benchmark/measurements.csv, for any K
_UNCOUNTED_CONNECTIONS = 100_000_000  # five times those of the largest network of the paper
_MARGIN = 2  # a node may be half as fast as the processor that was measured
_MINUTES_TO_START = 10
_LONGEST = 24 * 60  # more than many a cluster allows; a run that takes longer goes on from its checkpoint


def megabytes(run: Run, flops: pd.DataFrame, attempt: int = 1) -> int:
    """Memory for a run: the libraries and the images, and some ten numbers per connection, for any K.

    Args:
        flops: the networks whose connections were counted, see `read_flops`; others are taken to be large.
        attempt: the first, or a later one of a run that was stopped; each gets as much again.
    """
    counted = flops["connections"][flops["network"] == run.network]
    connections = _UNCOUNTED_CONNECTIONS if counted.empty else int(counted.max())
    return attempt * (_LIBRARIES + connections * _BYTES_PER_CONNECTION // 2**20)


def minutes(runs: Sequence[Run], measured: pd.DataFrame, attempt: int = 1) -> int:
    """Time for runs one after the other: twice what they take on the processor core that was measured, up to a day.

    Args:
        measured: what an epoch costs, see `read_seconds`; where a run was not measured, the day is given.
        attempt: the first, or a later one of a run that was stopped; each gets as much again, up to the day.
    """
    trained = [run for run in runs if run.settings.epochs > run.start_epoch]
    try:
        seconds = math.fsum(
            (run.settings.epochs - run.start_epoch) * seconds_per_epoch(run, measured) for run in trained
        )
    except UserError:
        return _LONGEST
    return min(attempt * (_MINUTES_TO_START + math.ceil(_MARGIN * seconds / 60)), _LONGEST)
