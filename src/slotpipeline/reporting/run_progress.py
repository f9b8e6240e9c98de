"""How far a run is while it is trained, from what it prints; on this machine or on a cluster."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

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
