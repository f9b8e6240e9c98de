"""How far the runs of a grid are while they are trained, from what they print; on this machine or on a cluster."""

from __future__ import annotations

import heapq
import re
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import pandas as pd

from slotmachines.errors import NotMeasured
from slotpipeline.runs.run import Run
from slotpipeline.runs.run_time import duration_text, seconds_per_epoch
from slotpipeline.runs.to_do import failure_lines, failures

_BAR = re.compile(
    r"(?P<run>\S+/seed\d+-[0-9a-f]{8}): +\d+%\|.*\| (?P<done>\d+)/(?P<epochs>\d+) \[[\d:]+<[\d:?]+, +(?P<rest>[^\]]*)\]"
)
_RATE = re.compile(r"([\d.]+)(epoch/s|s/epoch)")
_ACCURACY = re.compile(r"val=([\d.]+)%")
_SILENT_SECONDS = 300.0
"""A run prints a line every epoch, or every minute where epochs are shorter."""


@dataclass(frozen=True)
class RunProgress:
    """What a run printed last.

    Attributes:
        run: its folder, which names it.
        epoch, epochs: how many it has done, of how many.
        seconds_per_epoch: None before the first epoch has ended.
        accuracy: on validation, in percent; None before the first epoch has ended.
        silent_seconds: since it was printed.
    """

    run: str
    epoch: int
    epochs: int
    seconds_per_epoch: float | None
    accuracy: float | None
    silent_seconds: float

    @property
    def is_running(self) -> bool:
        """Whether it seems to be at work: it has printed as lately as runs of its speed do."""
        return self.silent_seconds < max(_SILENT_SECONDS, 3 * (self.seconds_per_epoch or 0))


def printed_progress(logs: Path, now: float) -> dict[str, RunProgress]:
    """Folder of a run -> what it printed last.

    Args:
        logs: the folder with the logs of the grid's training jobs, each of one run or several.
        now: seconds since 1970.
    """
    found: dict[str, RunProgress] = {}
    for log in sorted(logs.rglob("*.log"), key=lambda path: path.stat().st_mtime):
        silent = now - log.stat().st_mtime
        for match in _BAR.finditer(log.read_text(encoding="utf-8", errors="replace")):
            rate, accuracy = _RATE.search(match["rest"]), _ACCURACY.search(match["rest"])
            found[match["run"]] = RunProgress(
                run=match["run"],
                epoch=int(match["done"]),
                epochs=int(match["epochs"]),
                seconds_per_epoch=None if rate is None else _seconds(float(rate[1]), rate[2]),
                accuracy=None if accuracy is None else float(accuracy[1]),
                silent_seconds=silent,
            )
    return found


def _seconds(value: float, unit: str) -> float | None:
    if unit == "s/epoch":
        return value
    return 1 / value if value else None


def seconds_left(
    to_do: Sequence[Run],
    running: Mapping[str, RunProgress],
    measured: pd.DataFrame,
    finished: Sequence[tuple[Run, float]] = (),
) -> float | None:
    """Seconds until the last run ends, if as many run at a time as now; None where nothing tells.

    Runs under way say how long an epoch takes. Others take what was measured, times how much slower or faster than
    measured the finished runs and those under way were, of their network and method where there are any. Where nothing
    was measured, they take what the runs under way do on average.

    Args:
        finished: finished runs of the grid, and the seconds that an epoch of each took.
    """
    known = {name: one.seconds_per_epoch for name, one in running.items() if one.seconds_per_epoch}
    if not known:
        return None
    expected = {run.folder: _expected(run, measured) for run in to_do}
    pairs = [(run, known[run.folder], run.settings.epochs) for run in to_do if run.folder in known]
    pairs += [(run, seconds, run.settings.epochs) for run, seconds in finished]
    actual: dict[tuple[str, ...], float] = defaultdict(float)
    planned: dict[tuple[str, ...], float] = defaultdict(float)
    for run, seconds, epochs in pairs:
        one = expected.get(run.folder) or _expected(run, measured)
        for key in ((), _kind(run)) if one else ():
            actual[key] += seconds * epochs
            planned[key] += (one or 0.0) * epochs
    usual = fmean(known.values())
    free = [0.0] * len(running)
    # Those under way first: each has a place of its own.
    for run in sorted(to_do, key=lambda run: run.folder not in running):
        first = running[run.folder].epoch if run.folder in running else run.start_epoch
        one, key = expected[run.folder], _kind(run) if _kind(run) in planned else ()
        speed = actual[key] / planned[key] if key in planned else 1.0
        seconds = known.get(run.folder) or (usual if one is None else one * speed)
        heapq.heapreplace(free, free[0] + seconds * max(run.settings.epochs - first, 0))
    return max(free)


def _kind(run: Run) -> tuple[str, ...]:
    """What runs have in common that are as much slower or faster than measured."""
    return run.network, run.dataset, run.method, str(run.parent is not None)


def _expected(run: Run, measured: pd.DataFrame) -> float | None:
    try:
        return seconds_per_epoch(run, measured)
    except NotMeasured:
        return None


@dataclass(frozen=True)
class GridProgress:
    """The runs of a grid that are finished, running, waiting and failed, and when the last one ends.

    Attributes:
        planned, finished, waiting: how many runs.
        running: what they printed last, by name.
        failed: folder of a run -> why.
        seconds_left: until the last run ends, if as many run at a time as now; None where nothing tells.
    """

    planned: int
    finished: int
    waiting: int
    running: Sequence[RunProgress]
    failed: Mapping[str, str]
    seconds_left: float | None

    def __str__(self) -> str:
        counts = f"{self.finished} of {self.planned} finished, {len(self.running)} running, {self.waiting} waiting"
        lines = [f"{counts}, {len(self.failed)} failed"]
        lines += [_line(one) for one in self.running]
        lines += [f"  {line}" for line in failure_lines(self.failed)]
        if self.seconds_left is not None:
            end = time.strftime("%a %H:%M", time.localtime(time.time() + self.seconds_left))
            left = duration_text(self.seconds_left / 3600)
            lines.append(f"ends in {left}, {end}, if {len(self.running)} run at a time as now")
        return "\n".join(lines)


def progress_of(
    runs: Sequence[Run], to_do: Sequence[Run], printed: Mapping[str, RunProgress], results: Path, measured: pd.DataFrame
) -> GridProgress:
    """How far a grid is, by the runs that it asks for, those to do, and what runs printed last."""
    left = {run.folder for run in to_do}
    running = {name: one for name, one in printed.items() if name in left and one.is_running and one.epoch < one.epochs}
    failed = {name: why for name, why in failures(to_do, results).items() if name not in running}
    done = [
        (run, seconds)
        for run in runs
        if run.folder not in left and run.folder in printed and (seconds := printed[run.folder].seconds_per_epoch)
    ]
    waiting_too = [run for run in to_do if run.folder not in failed]
    return GridProgress(
        planned=len(runs),
        finished=len(runs) - len(left),
        waiting=len(left) - len(running) - len(failed),
        running=_by_name(running.values()),
        failed=failed,
        seconds_left=seconds_left(waiting_too, running, measured, done),
    )


def _by_name(running: Iterable[RunProgress]) -> list[RunProgress]:
    return sorted(running, key=lambda one: one.run)


def _line(one: RunProgress) -> str:
    accuracy = "" if one.accuracy is None else f", {one.accuracy:.2f}% on validation"
    rate = "" if one.seconds_per_epoch is None else f", {one.seconds_per_epoch:.3g} s per epoch"
    return f"  {one.run}: epoch {one.epoch} of {one.epochs}{accuracy}{rate}"
