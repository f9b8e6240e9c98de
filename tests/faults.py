"""Operations on files that fail, or that a killed process never comes to, from a chosen one on."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

Operation = tuple[str, str]
"""What is done (open for writing, fsync, rename, remove, ...) and the path it is done to."""

_CHANGES = {
    "open": "open", "os.rename": "rename", "os.remove": "remove", "os.mkdir": "mkdir", "os.rmdir": "rmdir",
    "os.chmod": "chmod",
}  # fmt: skip
_watching: list[Callable[[str, Path], None]] = []


class Killed(BaseException):
    """The process ends here: its `finally` blocks change no file either."""


def no_space() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def read_only() -> OSError:
    return OSError(errno.EROFS, os.strerror(errno.EROFS))


@contextmanager
def watched(
    folder: Path, first: int | None = None, error: Callable[[], BaseException] = Killed, only: tuple[str, ...] = ()
) -> Iterator[list[Operation]]:
    """Note the operations that change files below `folder`; from number `first` on (1 is the first) raise instead.

    `only` names the kinds of operations that are counted and raise.
    """
    done: list[Operation] = []

    def take(kind: str, path: Path) -> None:
        if path.is_relative_to(folder) and (kind in only or not only):
            if first is not None and len(done) + 1 >= first:
                raise error()
            done.append((kind, str(path)))

    def fsync(opened: int) -> None:
        take("fsync", Path(os.readlink(f"/proc/self/fd/{opened}")))
        before(opened)

    _listen()
    _watching.append(take)
    before = os.fsync
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        try:
            yield done
        finally:
            _watching.remove(take)


@cache
def _listen() -> None:
    """Hear of each operation on files before it is done, when it can still be prevented; for as long as Python runs."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if _watching and event in _CHANGES and isinstance(arguments[0], str | bytes | os.PathLike):
            if event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR):
                return
            place = Path(os.fsdecode(arguments[0]))
            within = arguments[-1]  # a folder that is open, which the path is relative to
            if event in ("os.remove", "os.rmdir") and within != -1:
                place = Path(os.readlink(f"/proc/self/fd/{within}")) / place
            for take in list(_watching):
                take(_CHANGES[event], place)

    sys.addaudithook(hook)
