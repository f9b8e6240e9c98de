"""How far the runs of a grid are while they are trained."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from slotpipeline.reporting.run_progress import PrintedProgress, RunProgress, StoppedRun, state_of
from slotpipeline.reporting.time_left import SecondsLeft, seconds_left
from slotpipeline.runs.run import Run
from slotpipeline.runs.run_time import EpochSeconds
from slotpipeline.runs.to_do import failure_lines, failures, runs_to_do

_SHOWN = 20
"""Stopped runs; after a time limit there may be hundreds."""


@dataclass(frozen=True)
class GridProgress:
    """The runs of a grid that are finished, running, stopped, waiting and failed, and when the last one ends.

    Attributes:
        planned, finished, waiting: how many runs.
        running: what they printed or saved last, by name.
        stopped: by name.
        failed: folder of a run -> why.
        seconds_left: until the last run ends, if as many run at a time as now; None where nothing tells.
        seconds_left_range: the same at least and at most, see `SecondsLeft`.
        again: how many finished runs are trained again, because others start from their weights, which are missing.
    """

    planned: int
    finished: int
    waiting: int
    running: Sequence[RunProgress]
    stopped: Sequence[StoppedRun]
    failed: Mapping[str, str]
    seconds_left: float | None
    seconds_left_range: tuple[float, float] | None
    again: int

    def __str__(self) -> str:
        counts = f"{self.finished} of {self.planned} finished, {len(self.running)} running"
        if self.stopped:
            unsure = "" if all(one.is_sure for one in self.stopped) else " or hanging"
            counts += f", {len(self.stopped)} stopped{unsure}"
        lines = [f"{counts}, {self.waiting} waiting, {len(self.failed)} failed"]
        if self.again:
            lines.append(f"{self.again} finished ones are trained again, as runs to do need their missing weights")
        lines += [f"  {one}" for one in self.running]
        lines += [f"  {one}" for one in self.stopped[:_SHOWN]]
        if more := len(self.stopped[_SHOWN:]):
            lines.append(f"  and {more} more that stopped or hang")
        if any(one.has_checkpoint for one in self.stopped):
            lines.append("stopped runs go on from their checkpoints when the grid is run again")
        lines += [f"  {line}" for line in failure_lines(self.failed)]
        if self.seconds_left is not None and self.seconds_left_range is not None:
            left = SecondsLeft(self.seconds_left, *self.seconds_left_range)
            lines.append(f"ends in {left}, if {len(self.running)} run at a time as now")
        return "\n".join(lines)


def progress_of(
    runs: Sequence[Run],
    to_train: Sequence[Run],
    recorded: Collection[str],
    printed: Mapping[str, PrintedProgress],
    results: Path,
    measured: EpochSeconds,
    now: float,
) -> GridProgress:
    """How far a grid, or some experiments of it, are.

    Args:
        runs: that are asked for.
        to_train: those of them that are not finished, or are to be trained again (`runs_to_train`).
        recorded: identities of the runs in `runs.csv`.
        printed: what runs printed last.
        now: seconds since 1970.
    """
    left = {run.folder for run in to_train}
    failed = failures(to_train, results)
    left_to_run = [run for run in to_train if run.folder not in failed]
    states = [state_of(run, printed, results, measured, now) for run in left_to_run]
    running = {one.run: one for one in states if isinstance(one, RunProgress)}
    stopped = [one for one in states if isinstance(one, StoppedRun)]
    again = len(to_train) - len(runs_to_do(to_train, recorded, results))
    done = [
        (run, seconds)
        for run in runs
        if run.folder not in left and run.folder in printed and (seconds := printed[run.folder].seconds_per_epoch)
    ]
    saved = {one.run: one.checkpoint_epoch for one in stopped if one.checkpoint_epoch is not None}
    end = seconds_left(left_to_run, running, measured, done, saved)
    return GridProgress(
        planned=len(runs),
        finished=len(runs) - len(left) + again,
        waiting=len(left) - len(running) - len(stopped) - len(failed),
        running=sorted(running.values(), key=lambda one: one.run),
        stopped=sorted(stopped, key=lambda one: one.run),
        failed=failed,
        seconds_left=None if end is None else end.likely,
        seconds_left_range=None if end is None else (end.least, end.most),
        again=again,
    )
