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


@dataclass(frozen=True)
class SecondsLeft:
    """Seconds until the last run ends, if as many run at a time as now.

    Attributes:
        likely: if what waits goes as fast as runs of its kind did so far, on average.
        least, most: if it goes as fast as the fastest and as slow as the slowest epochs so far, by what was measured.
    """

    likely: float
    least: float
    most: float

    @property
    def is_sure(self) -> bool:
        """Whether the speed so far leaves no more than a fifth open, up or down."""
        return self.least >= self.likely / _OPEN and self.most <= self.likely * _OPEN

    def __str__(self) -> str:
        if self.is_sure:
            return f"{duration_text(self.likely / 3600)}, {_clock(self.likely)}"
        span = f"{_clock(self.least)} to {_clock(self.most)}"
        between = f"{duration_text(self.least / 3600)} to {duration_text(self.most / 3600).removeprefix('about ')}"
        return f"{between}, {span}, as the speed of runs varies"


_OPEN = 1.2
_BETWEEN_KINDS = 1.5
"""How much more one kind of run may be slowed down than another: so the runs recorded in results/mnist differ."""


def _clock(seconds: float) -> str:
    return time.strftime("%a %H:%M", time.localtime(time.time() + seconds))


def seconds_left(
    to_do: Sequence[Run],
    running: Mapping[str, RunProgress],
    measured: pd.DataFrame,
    finished: Sequence[tuple[Run, float]] = (),
) -> SecondsLeft | None:
    """How long the runs to do take; None where nothing tells.

    Runs under way say how long an epoch takes. Others take what was measured, times how much slower or faster than
    measured the finished runs and those under way were, of their network and method where there are any. Where nothing
    was measured, they take what runs of their kind took, or else what the runs under way do on average. On a machine
    that others share, runs of one kind differ several times over: then the ends of the range tell more than its middle.

    Args:
        finished: finished runs of the grid, and the seconds that an epoch of each took.
    """
    known = {name: one.seconds_per_epoch for name, one in running.items() if one.seconds_per_epoch}
    if not known:
        return None
    pairs = [(run, known[run.folder]) for run in to_do if run.folder in known]
    speeds = _Speeds([*pairs, *finished], measured)
    ends = []
    for slowness in (speeds.usual_of, speeds.least_of, speeds.most_of):
        free = [0.0] * len(running)
        # Those under way first: each has a place of its own.
        for run in sorted(to_do, key=lambda run: run.folder not in running):
            first = running[run.folder].epoch if run.folder in running else run.start_epoch
            seconds = known.get(run.folder) or slowness(run)
            heapq.heapreplace(free, free[0] + seconds * max(run.settings.epochs - first, 0))
        ends.append(max(free))
    return SecondsLeft(*ends)


class _Speeds:
    """Seconds that an epoch of a run is to take, from what epochs took so far: as usual, at least and at most.

    Args:
        seen: runs, and the seconds that an epoch of each took.
    """

    def __init__(self, seen: Sequence[tuple[Run, float]], measured: pd.DataFrame) -> None:
        self._measured = measured
        self._expected: dict[tuple[str, int | None], float | None] = {}
        self._seconds: dict[str, list[float]] = defaultdict(list)
        actual: dict[str, float] = defaultdict(float)
        planned: dict[str, float] = defaultdict(float)
        factors = []
        for run, seconds in seen:
            kind, expected = _kind(run), self._expected_of(run)
            for key in ("", kind):
                self._seconds[key].append(seconds)
            if expected:
                factors.append(seconds / expected)
                for key in ("", kind):
                    actual[key] += seconds * run.settings.epochs
                    planned[key] += expected * run.settings.epochs
        self._factor = {key: actual[key] / planned[key] for key in planned}
        self._range = (min(factors), max(factors)) if factors else (1.0, 1.0)

    def usual_of(self, run: Run) -> float:
        """As the runs of its kind, or else all of them, did so far."""
        expected, kind = self._expected_of(run), _kind(run)
        if expected is None:
            return fmean(self._seconds.get(kind) or self._seconds[""])
        return expected * self._factor.get(kind, self._factor.get("", 1.0))

    def least_of(self, run: Run) -> float:
        """As the fastest so far."""
        expected = self._expected_of(run)
        seconds = min(self._seconds[""]) if expected is None else expected * self._range[0]
        return min(seconds / self._doubt(run), self.usual_of(run))

    def most_of(self, run: Run) -> float:
        """As the slowest so far."""
        expected = self._expected_of(run)
        seconds = max(self._seconds[""]) if expected is None else expected * self._range[1]
        return max(seconds * self._doubt(run), self.usual_of(run))

    def _doubt(self, run: Run) -> float:
        return 1.0 if _kind(run) in self._seconds else _BETWEEN_KINDS

    def _expected_of(self, run: Run) -> float | None:
        key = (_kind(run), run.options)
        if key not in self._expected:
            try:
                self._expected[key] = seconds_per_epoch(run, self._measured)
            except NotMeasured:
                self._expected[key] = None
        return self._expected[key]


def _kind(run: Run) -> str:
    """What runs have in common that are as much slower or faster than measured."""
    return f"{run.network} {run.dataset} {run.method} {run.parent is not None}"


@dataclass(frozen=True)
class GridProgress:
    """The runs of a grid that are finished, running, waiting and failed, and when the last one ends.

    Attributes:
        planned, finished, waiting: how many runs.
        running: what they printed last, by name.
        failed: folder of a run -> why.
        seconds_left: until the last run ends, if as many run at a time as now; None where nothing tells.
        seconds_left_range: the same at least and at most, see `SecondsLeft`.
    """

    planned: int
    finished: int
    waiting: int
    running: Sequence[RunProgress]
    failed: Mapping[str, str]
    seconds_left: float | None
    seconds_left_range: tuple[float, float] | None

    def __str__(self) -> str:
        counts = f"{self.finished} of {self.planned} finished, {len(self.running)} running, {self.waiting} waiting"
        lines = [f"{counts}, {len(self.failed)} failed"]
        lines += [_line(one) for one in self.running]
        lines += [f"  {line}" for line in failure_lines(self.failed)]
        if self.seconds_left is not None and self.seconds_left_range is not None:
            left = SecondsLeft(self.seconds_left, *self.seconds_left_range)
            lines.append(f"ends in {left}, if {len(self.running)} run at a time as now")
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
    left_to_run = [run for run in to_do if run.folder not in failed]
    end = seconds_left(left_to_run, running, measured, done)
    return GridProgress(
        planned=len(runs),
        finished=len(runs) - len(left),
        waiting=len(left) - len(running) - len(failed),
        running=_by_name(running.values()),
        failed=failed,
        seconds_left=None if end is None else end.likely,
        seconds_left_range=None if end is None else (end.least, end.most),
    )


def _by_name(running: Iterable[RunProgress]) -> list[RunProgress]:
    return sorted(running, key=lambda one: one.run)


def _line(one: RunProgress) -> str:
    accuracy = "" if one.accuracy is None else f", {one.accuracy:.2f}% on validation"
    rate = "" if one.seconds_per_epoch is None else f", {one.seconds_per_epoch:.3g} s per epoch"
    return f"  {one.run}: epoch {one.epoch} of {one.epochs}{accuracy}{rate}"
