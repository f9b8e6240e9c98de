"""The queue of SLURM, where waiting in vain is silent: jobs that can never start, or whose end nobody can tell."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from slotmachines.errors import UserError

_SECONDS_BETWEEN_LOOKS = 60.0
_CHECKS = 3
"""The executor takes squeue for reliable if finished jobs stay for three of its first intervals."""
_NEVER = re.compile(
    r"Partition(TimeLimit|NodeLimit|Config)|BadConstraints|Invalid(Account|QOS)|(Account|QOS)NotAllowed|Max\w*PerJob"
    r"|JobHoldMaxRequeue|JobHeld|held"
)
"""Reasons that no waiting removes, among those in the manual of squeue."""


def require_status(command: str | None, first_check_seconds: int) -> None:
    """Refuse a way to ask for the state of jobs by which Snakemake would wait for ever.

    Args:
        command: that Snakemake is told to ask with: "sacct", which needs accounting, or "squeue", which sees jobs that
            have ended for a while; the executor takes sacct all the same where that while is short.
        first_check_seconds: after which Snakemake asks for the first time.

    Raises:
        UserError: sacct would be asked, and the cluster keeps no accounts.
    """
    settings = cluster_settings()
    if "slurmdbd" in settings.get("AccountingStorageType", "slurmdbd"):
        return
    age = int("".join(re.findall(r"^\d+", settings.get("MinJobAge", ""))) or 0)
    if command != "squeue":
        raise UserError("this cluster keeps no accounts, which sacct needs; add --slurm-status-command squeue")
    if age < _CHECKS * first_check_seconds:
        raise UserError(
            f"this cluster keeps no accounts and forgets ended jobs after {age} s; "
            f"add --slurm-init-seconds-before-status-checks {max(1, age // _CHECKS)}, or ask for a larger MinJobAge"
        )


def cluster_settings() -> Mapping[str, str]:
    """The settings of the cluster by name; empty where SLURM does not answer."""
    pairs = (line.split("=", 1) for line in _answer("scontrol", "show", "config").splitlines() if "=" in line)
    return {name.strip(): value.strip() for name, value in pairs}


def jobs_that_never_start(project: Path) -> Mapping[str, str]:
    """Number of a waiting job of the project -> why it never starts, and what to do, in one line."""
    lines = _answer("squeue", "--me", "--noheader", "--states=PENDING", "--format=%i|%r|%Z|%k").splitlines()
    found = {}
    for number, reason, folder, comment in (line.split("|", 3) for line in lines if line.count("|") >= 3):
        if Path(folder) == project and _NEVER.search(reason):
            found[number] = (
                f"job {number} ({comment}) can never start: {reason}; change what it asks for (profiles/slurm), "
                f"cancel it (scancel {number}), and give the command again"
            )
    return found


def report_jobs_that_never_start(project: Path) -> None:
    """Look at the queue every minute until the process ends, and print a line for each job that can never start."""

    def look() -> None:
        said: set[str] = set()
        while True:
            for number, line in jobs_that_never_start(project).items():
                if number not in said:
                    print(line, file=sys.stderr, flush=True)
                said.add(number)
            time.sleep(_SECONDS_BETWEEN_LOOKS)

    threading.Thread(target=look, daemon=True).start()


def _answer(*command: str) -> str:
    """What a client of SLURM prints; nothing where it fails, as it may while the controller restarts."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
