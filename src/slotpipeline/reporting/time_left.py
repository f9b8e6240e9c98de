"""When the last run of a grid ends, from how fast its runs are."""

from __future__ import annotations

import heapq
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from types import MappingProxyType

from slotmachines.errors import NotMeasured
from slotpipeline.reporting.run_progress import RunProgress
from slotpipeline.runs.run import Run
from slotpipeline.runs.run_time import EpochSeconds, duration_text, seconds_per_epoch


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
    measured: EpochSeconds,
    finished: Sequence[tuple[Run, float]] = (),
    stopped: Mapping[str, int] = MappingProxyType({}),
) -> SecondsLeft | None:
    """How long the runs to do take; None where nothing tells.

    Runs under way say how long an epoch takes. Others take what was measured, times how much slower or faster than
    measured the finished runs and those under way were, of their network and method where there are any. Where nothing
    was measured, they take what runs of their kind took, or else what the runs under way do on average. On a machine
    that others share, runs of one kind differ several times over: then the ends of the range tell more than its middle.

    Args:
        finished: finished runs of the grid, and the seconds that an epoch of each took.
        stopped: folder of a run -> the epoch that it goes on from.
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
            first = running[run.folder].epoch if run.folder in running else stopped.get(run.folder, run.start_epoch)
            seconds = known.get(run.folder) or slowness(run)
            heapq.heapreplace(free, free[0] + seconds * max(run.settings.epochs - first, 0))
        ends.append(max(free))
    return SecondsLeft(*ends)


class _Speeds:
    """Seconds that an epoch of a run is to take, from what epochs took so far: as usual, at least and at most.

    Args:
        seen: runs, and the seconds that an epoch of each took.
    """

    def __init__(self, seen: Sequence[tuple[Run, float]], measured: EpochSeconds) -> None:
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
