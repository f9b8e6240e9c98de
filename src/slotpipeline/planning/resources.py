"""What a run asks a cluster for, memory and time, from what was measured beforehand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress

import pandas as pd

from slotmachines.errors import NotMeasured, UserError
from slotpipeline.runs.gpu_time import gpu_seconds_per_epoch
from slotpipeline.runs.run import Run
from slotpipeline.runs.run_time import EpochSeconds, seconds_per_epoch

_LIBRARIES = 2500  # megabytes, with the images and with what Snakemake needs beside the run
_BYTES_PER_CONNECTION = 64  # at most 61 in results/benchmark/measurements.csv, for any K
_UNCOUNTED_CONNECTIONS = 100_000_000  # five times those of the largest network of the paper
_MARGIN = 2  # a node may be half as fast as the processor that was measured
_GPU_MARGIN = 10  # a GPU without TF32 may be ten times slower than the H200 that was measured (estimated)
_UNMEASURED_GPU_SECONDS = 8.0  # four times an epoch of the slowest network that was measured, VGG-19
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


def minutes(runs: Sequence[Run], measured: EpochSeconds, attempt: int = 1, on_gpu: pd.DataFrame | None = None) -> int:
    """Time for runs one after the other, up to a day, with a margin for slower machines than those that were measured.

    Args:
        measured: what an epoch costs on a processor core, see `read_seconds`.
        attempt: the first, or a later one of a run that was stopped; each gets as much again, up to the day.
        on_gpu: what an epoch costs on a GPU, see `read_gpu_seconds`, if the job gets one. A network that was not
            measured there counts as slow, but not as slower than on a core.
    """
    trained = [run for run in runs if run.settings.epochs > run.start_epoch]
    try:
        seconds = math.fsum(
            (run.settings.epochs - run.start_epoch) * _granted_per_epoch(run, measured, on_gpu) for run in trained
        )
    except UserError:
        return _LONGEST
    return min(attempt * (_MINUTES_TO_START + math.ceil(seconds / 60)), _LONGEST)


def asked_text(asked: Sequence[tuple[float, bool]]) -> str:
    """What jobs ask a cluster for in sum, in words; `asked`: minutes of each job, and whether it gets a GPU."""
    parts = []
    for gets_gpu, words in ((True, "with a GPU"), (False, "without a GPU")):
        found = [minutes for minutes, gets in asked if gets == gets_gpu]
        if found:
            jobs = "1 job" if len(found) == 1 else f"{len(found)} jobs"
            parts.append(f"{math.fsum(found) / 60:.1f} hours {words} ({jobs})")
    return f"the jobs ask a cluster for at most {' and '.join(parts)} in sum, counting first attempts"


def _granted_per_epoch(run: Run, measured: EpochSeconds, on_gpu: pd.DataFrame | None) -> float:
    """Seconds for an epoch, with the margin.

    Raises:
        NotMeasured: the run gets no GPU, and its epoch was not measured on a core.
    """
    if on_gpu is None:
        return _MARGIN * seconds_per_epoch(run, measured)
    with suppress(NotMeasured):
        return _GPU_MARGIN * gpu_seconds_per_epoch(run, on_gpu)
    unmeasured = _GPU_MARGIN * _UNMEASURED_GPU_SECONDS
    with suppress(NotMeasured):
        return min(_MARGIN * seconds_per_epoch(run, measured), unmeasured)
    return unmeasured
