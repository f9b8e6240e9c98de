"""Snakemake's locks, which stay when a Snakemake is killed.

Snakemake does not know who made a lock. Its own way is `--unlock`, by hand. So each process that may lock leaves a file
with its name, and locks are removed if all such files are of processes that ran on this host and are dead.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from slotmachines.errors import UserError

_SAME_START_SECONDS = 1.0


@dataclass(frozen=True)
class Owner:
    """A process that may hold locks.

    Attributes:
        host: with the process namespace, as each container counts its processes by itself.
        started: seconds since 1970; another process may have the same number later.
    """

    host: str
    process: int
    started: float

    @property
    def is_dead(self) -> bool:
        """Whether it ran on this host and has ended; False where that cannot be known."""
        if self.host != _this_host():
            return False
        try:
            started: float = psutil.Process(self.process).create_time()
            return abs(started - self.started) > _SAME_START_SECONDS
        except psutil.NoSuchProcess:
            return True


def this_process() -> Owner:
    """The process that asks."""
    return Owner(_this_host(), os.getpid(), psutil.Process().create_time())


def take_over_locks(folder: Path, owner: Owner) -> Path:
    """Note the owner of the locks to come, and remove the locks of dead processes of this host.

    Locks stay if anything else may have made them: a process that is alive, one of another host, or one that left no
    note.

    Args:
        folder: `.snakemake`, the folder of Snakemake's own files; it is made if it is missing.

    Returns:
        The note, which the process is to delete when it ends.

    Raises:
        UserError: the folder cannot be written to.
    """
    notes = folder / "owners"
    note = notes / f"{owner.host}-{owner.process}-{owner.started:.0f}.json"
    try:
        notes.mkdir(parents=True, exist_ok=True)
        note.write_text(json.dumps(asdict(owner)))  # first, so that two processes that start together see each other
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror}; choose a project you may write to") from None
    others = [path for path in notes.glob("*.json") if path != note]
    dead = [path for path in others if _is_dead(path)]
    if dead and len(dead) == len(others):
        shutil.rmtree(folder / "locks", ignore_errors=True)
        for path in dead:
            path.unlink(missing_ok=True)
    return note


def _is_dead(note: Path) -> bool:
    try:
        return Owner(**json.loads(note.read_text())).is_dead
    except (OSError, ValueError, TypeError):  # just being written, or deleted
        return False


def _this_host() -> str:
    namespace = ""
    with suppress(OSError):
        namespace = f"-{os.stat('/proc/self/ns/pid').st_ino}"
    return platform.node() + namespace
