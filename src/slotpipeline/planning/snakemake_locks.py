"""Snakemake's locks, which outlive a Snakemake that was killed."""

from __future__ import annotations

import fcntl
import shutil
from contextlib import suppress
from pathlib import Path
from typing import IO

from slotmachines.errors import UserError


def drop_dead_locks(folder: Path) -> IO[str]:
    """Remove the locks in Snakemake's folder of a project if no process that made them is alive.

    Snakemake locks the files that it makes, and a process that was killed, or a machine that lost its power, leaves
    the locks behind. Each process holds a lock of the operating system beside them, which ends with the process.

    Args:
        folder: `.snakemake`; it is made if it is missing.

    Returns:
        An open file: this process counts as alive as long as it is open.

    Raises:
        UserError: the folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        alive = (folder / "alive").open("w")
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror}; choose a project you may write to") from None
    # Where another process is at work, or the file system knows no such locks, Snakemake's stay.
    with suppress(OSError):
        fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder / "locks", ignore_errors=True)
    with suppress(OSError):
        fcntl.flock(alive, fcntl.LOCK_SH)
    return alive
