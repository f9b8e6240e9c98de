"""Stopping a program in order: on Ctrl-C (SIGINT), and when a batch system or an operator asks it to end (SIGTERM)."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(BaseException):
    """The program was asked to stop. Not an `Exception`, so that nothing mistakes it for bad input.

    Attributes:
        number: of the signal.
        where: how far the work had come, in words; blank if that is unknown.
    """

    def __init__(self, number: int, where: str = "") -> None:
        super().__init__(number, where)
        self.number = number
        self.where = where

    def __str__(self) -> str:
        where = f" {self.where}" if self.where else ""
        return f"stopped by {signal.Signals(self.number).name}{where}; give the same command again to go on"


@contextmanager
def stoppable(may_stop_now: Callable[[], bool] = lambda: True) -> Iterator[Callable[[], int]]:
    """Let SIGINT and SIGTERM raise `Stopped` in the block, at once or when it suits.

    If `may_stop_now` is false, the signal is only noted: the function that is yielded returns its number (0 before any
    signal), and the block has to look. A second signal stops the block at once. A signal that the process was started
    to ignore, as by nohup, stays ignored. Only the main thread gets signals; in other threads nothing changes.
    """
    noted = 0

    def take(number: int, frame: FrameType | None) -> None:
        nonlocal noted
        is_second, noted = noted > 0, number
        if is_second or may_stop_now():
            raise Stopped(number)

    if threading.current_thread() is not threading.main_thread():
        yield lambda: 0
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    handled = [number for number, handler in before.items() if handler not in (signal.SIG_IGN, None)]
    try:
        for number in handled:
            signal.signal(number, take)
        yield lambda: noted
    finally:
        for number in handled:
            signal.signal(number, before[number])
