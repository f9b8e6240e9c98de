"""How far a run is, and whether it was stopped: from its log and its checkpoint, here or on a cluster."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from slotmachines.errors import NotMeasured
from slotpipeline.runs.run import Run
from slotpipeline.runs.run_files import checkpoint_of
from slotpipeline.runs.run_time import EpochSeconds, duration_text, seconds_per_epoch
from slotpipeline.runs.saved_state import read_saved_state

_BAR = re.compile(
    r"(?P<run>\S+/seed\d+-[0-9a-f]{8}): +\d+%\|.*\| (?P<done>\d+)/(?P<epochs>\d+) \[[\d:]+<[\d:?]+, +(?P<rest>[^\]]*)\]"
)
_RATE = re.compile(r"([\d.]+)(epoch/s|s/epoch)")
_ACCURACY = re.compile(r"val=([\d.]+)%")
_STOPPED = re.compile(r"stopped by SIG[A-Z]+")
"""What a process says last if a signal ends it, see `slotpipeline.stopping`; one that is killed says nothing."""
_SILENT_SECONDS = 300.0
"""A run prints a line every epoch, or every minute where epochs are shorter."""


@dataclass(frozen=True)
class RunProgress:
    """What a run at work printed or saved last.

    Attributes:
        run: its folder, which names it.
        epoch, epochs: how many it has done, of how many.
        seconds_per_epoch: None before the first epoch has ended.
        accuracy: on validation, in percent; None before the first epoch has ended.
        silent_seconds: since then.
    """

    run: str
    epoch: int
    epochs: int
    seconds_per_epoch: float | None
    accuracy: float | None
    silent_seconds: float

    def __str__(self) -> str:
        accuracy = "" if self.accuracy is None else f", {self.accuracy:.2f}% on validation"
        rate = "" if self.seconds_per_epoch is None else f", {self.seconds_per_epoch:.3g} s per epoch"
        return f"{self.run}: epoch {self.epoch} of {self.epochs}{accuracy}{rate}"


@dataclass(frozen=True)
class PrintedProgress(RunProgress):
    """What a run printed last.

    Attributes:
        says_stopped: whether its log ends with the words of a process that a signal ended.
    """

    says_stopped: bool = False


@dataclass(frozen=True)
class StoppedRun:
    """A run that began, has neither a result nor a note of its failure, and is no longer at work, or hangs.

    Attributes:
        run: its folder, which names it.
        epoch, epochs: how many it had done, of how many.
        silent_seconds: since it printed or saved something.
        is_sure: whether its log says that it was stopped. If not, it may have been killed, or may hang.
        has_checkpoint: whether there is one to go on from.
        checkpoint_epoch: that it is of; None without a checkpoint, and of one that cannot be read.
    """

    run: str
    epoch: int
    epochs: int
    silent_seconds: float
    is_sure: bool
    has_checkpoint: bool
    checkpoint_epoch: int | None

    def __str__(self) -> str:
        time = duration_text(self.silent_seconds / 3600)
        state = f"stopped {time} ago" if self.is_sure else f"silent for {time}, so stopped or hanging"
        if self.checkpoint_epoch is not None:
            later = f"goes on from epoch {self.checkpoint_epoch}"
        else:
            later = "its checkpoint cannot be read" if self.has_checkpoint else "no checkpoint: starts from epoch 0"
        return f"{self.run}: epoch {self.epoch} of {self.epochs}, {state}; {later}"


def state_of(
    run: Run, printed: Mapping[str, PrintedProgress], results: Path, measured: EpochSeconds, now: float
) -> RunProgress | StoppedRun | None:
    """A run that is to be trained and did not fail: at work, or stopped; None if it has not begun.

    Both its log and its checkpoint are signs of life, so a run without a log here (`slotmachines work`) is seen, too.
    No file tells whether a silent process is alive on another machine.

    Args:
        printed: what runs printed last, see `printed_progress`.
        results: the grid's folder of results.
        measured: seconds per epoch on a core, for runs that have not said how fast they are.
        now: seconds since 1970.
    """
    log, checkpoint = printed.get(run.folder), checkpoint_of(run, results)
    saved_silent = math.inf
    with suppress(OSError):
        saved_silent = max(now - checkpoint.stat().st_mtime, 0.0)
    has_checkpoint = saved_silent < math.inf
    if not has_checkpoint and (log is None or log.epoch >= log.epochs):  # a full bar is of an earlier training
        return None
    if log is not None and log.silent_seconds > saved_silent + _SAME_SECONDS:  # so is one that is older
        log = None
    saved = read_saved_state(checkpoint)
    saved_epoch = None if saved is None else run.start_epoch + saved.epochs
    seconds = (log.seconds_per_epoch if log else None) or (saved.seconds_per_epoch if saved else None)
    # The last epochs before a checkpoint may not have been printed.
    epoch = max(saved_epoch or run.start_epoch, log.epoch if log else 0)
    silent = min(saved_silent, log.silent_seconds if log else math.inf)
    is_stopped = log is not None and log.says_stopped
    if is_stopped or silent > _patience(run, seconds, measured):
        epochs = run.settings.epochs
        return StoppedRun(run.folder, epoch, epochs, silent, is_stopped, has_checkpoint, saved_epoch)
    accuracy = (log.accuracy if log else None) or (saved.accuracy if saved else None)
    return RunProgress(run.folder, epoch, run.settings.epochs, seconds, accuracy, silent)


_SAME_SECONDS = 60.0
"""How much later than the last line of a log a checkpoint of the same process may be."""


def _patience(run: Run, seconds: float | None, measured: EpochSeconds) -> float:
    """How many seconds a run that is at work may be silent; `seconds`: of one of its epochs, if that is known."""
    if seconds is None:
        with suppress(NotMeasured):
            seconds = seconds_per_epoch(run, measured)
    return max(_SILENT_SECONDS, 3 * (seconds or 0.0))


def printed_progress(logs: Path, now: float) -> dict[str, PrintedProgress]:
    """Folder of a run -> what it printed last.

    Args:
        logs: the folder with the logs of the grid's training jobs, each of one run or several.
        now: seconds since 1970.
    """
    found: dict[str, PrintedProgress] = {}
    for log in sorted(logs.rglob("*.log"), key=lambda path: path.stat().st_mtime):
        silent = max(now - log.stat().st_mtime, 0.0)
        text = log.read_text(encoding="utf-8", errors="replace")
        bars = list(_BAR.finditer(text))
        is_stopped = bool(bars) and _STOPPED.search(text, bars[-1].end()) is not None
        for match in bars:
            rate, accuracy = _RATE.search(match["rest"]), _ACCURACY.search(match["rest"])
            found[match["run"]] = PrintedProgress(
                run=match["run"],
                epoch=int(match["done"]),
                epochs=int(match["epochs"]),
                seconds_per_epoch=None if rate is None else _seconds(float(rate[1]), rate[2]),
                accuracy=None if accuracy is None else float(accuracy[1]),
                silent_seconds=silent,
                says_stopped=is_stopped,
            )
    return found


def _seconds(value: float, unit: str) -> float | None:
    if unit == "s/epoch":
        return value
    return 1 / value if value else None
