"""How far the runs of a grid are while they are trained."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from slotpipeline.reporting.run_progress import RunProgress
from slotpipeline.reporting.time_left import SecondsLeft, seconds_left
from slotpipeline.runs.run import Run
from slotpipeline.runs.to_do import failure_lines, failures, runs_to_do


@dataclass(frozen=True)
class GridProgress:
    """The runs of a grid that are finished, running, waiting and failed, and when the last one ends.

    Attributes:
        planned, finished, waiting: how many runs.
        running: what they printed last, by name.
        failed: folder of a run -> why.
        seconds_left: until the last run ends, if as many run at a time as now; None where nothing tells.
        seconds_left_range: the same at least and at most, see `SecondsLeft`.
        again: how many finished runs are trained again, because others start from their weights, which are missing.
    """

    planned: int
    finished: int
    waiting: int
    running: Sequence[RunProgress]
    failed: Mapping[str, str]
    seconds_left: float | None
    seconds_left_range: tuple[float, float] | None
    again: int

    def __str__(self) -> str:
        counts = f"{self.finished} of {self.planned} finished, {len(self.running)} running, {self.waiting} waiting"
        lines = [f"{counts}, {len(self.failed)} failed"]
        if self.again:
            lines.append(f"{self.again} finished ones are trained again, as runs to do need their missing weights")
        lines += [_line(one) for one in self.running]
        lines += [f"  {line}" for line in failure_lines(self.failed)]
        if self.seconds_left is not None and self.seconds_left_range is not None:
            left = SecondsLeft(self.seconds_left, *self.seconds_left_range)
            lines.append(f"ends in {left}, if {len(self.running)} run at a time as now")
        return "\n".join(lines)


def progress_of(
    runs: Sequence[Run],
    to_train: Sequence[Run],
    recorded: Collection[str],
    printed: Mapping[str, RunProgress],
    results: Path,
    measured: pd.DataFrame,
) -> GridProgress:
    """How far a grid, or some experiments of it, are.

    Args:
        runs: that are asked for.
        to_train: those of them that are not finished, or are to be trained again (`runs_to_train`).
        recorded: identities of the runs in `runs.csv`.
        printed: what runs printed last.
    """
    left = {run.folder for run in to_train}
    running = {name: one for name, one in printed.items() if name in left and one.is_running and one.epoch < one.epochs}
    failed = {name: why for name, why in failures(to_train, results).items() if name not in running}
    again = len(to_train) - len(runs_to_do(to_train, recorded, results))
    done = [
        (run, seconds)
        for run in runs
        if run.folder not in left and run.folder in printed and (seconds := printed[run.folder].seconds_per_epoch)
    ]
    left_to_run = [run for run in to_train if run.folder not in failed]
    end = seconds_left(left_to_run, running, measured, done)
    return GridProgress(
        planned=len(runs),
        finished=len(runs) - len(left) + again,
        waiting=len(left) - len(running) - len(failed),
        running=_by_name(running.values()),
        failed=failed,
        seconds_left=None if end is None else end.likely,
        seconds_left_range=None if end is None else (end.least, end.most),
        again=again,
    )


def _by_name(running: Iterable[RunProgress]) -> list[RunProgress]:
    return sorted(running, key=lambda one: one.run)


def _line(one: RunProgress) -> str:
    accuracy = "" if one.accuracy is None else f", {one.accuracy:.2f}% on validation"
    rate = "" if one.seconds_per_epoch is None else f", {one.seconds_per_epoch:.3g} s per epoch"
    return f"  {one.run}: epoch {one.epoch} of {one.epochs}{accuracy}{rate}"
