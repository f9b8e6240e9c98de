"""Several runs in one job: which runs share one, and what it is called."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from slotmachines.errors import UserError
from slotpipeline.runs.run import Run

_MOST = 24
"""The name of a job holds the identities of its runs, and is the name of a file."""


def runs_per_job(value: Any) -> int:
    """The most runs of a job, as `--config runs_per_job=N` gives it.

    Raises:
        UserError: it is no number of runs.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _MOST:
        raise UserError(f"--config runs_per_job={value}: give a number from 1 to {_MOST}")
    return value


def grouped(runs: Sequence[Run], size: int) -> list[list[Run]]:
    """The runs in groups of one network and dataset, of at most `size` runs.

    Their order stays, so that a slot machine comes before what starts from it, in its group or an earlier one.
    """
    groups = []
    for _, alike in groupby(sorted(runs, key=_task), key=_task):
        members = list(alike)
        groups += [members[start : start + size] for start in range(0, len(members), size)]
    return groups


def _task(run: Run) -> tuple[str, str]:
    return run.network, run.dataset


def job_name(runs: Sequence[Run]) -> str:
    """The name of the job of a group, a path: that of its run, or of its first cell and all of its runs."""
    if len(runs) == 1:
        return runs[0].folder
    return f"{Path(runs[0].folder).parent}/runs-{'+'.join(run.identity for run in runs)}"


def runs_of_job(name: str, runs: Mapping[str, Run]) -> list[Run]:
    """The runs of a job, from its name; `runs`: identity -> run."""
    return [runs[identity] for identity in re.findall(r"[0-9a-f]{8}", name.rpartition("-")[2])]
