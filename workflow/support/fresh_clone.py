"""Results that came with a clone: git gives them times that say nothing, so their content says which are current.

Snakemake goes by times. In a fresh clone it would make every table, figure and page again, although each says by its
content, or by the digest that it was saved with, what it was made from.
"""

from __future__ import annotations

import os
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from slotmachines.errors import UserError
from slotpipeline.reporting.file_states import State, file_states
from slotpipeline.results.collect import CURVES_CSV, RUNS_CSV, SELECTED_CSV

_SMALL = (RUNS_CSV, CURVES_CSV, SELECTED_CSV)


def take_current_results(
    config: Mapping[str, Any], results: Path, figures: Path, reference: Path, before: Path
) -> list[Path]:
    """Give results that Snakemake has not made here, and that are current by their content, the same, latest time.

    Files that are missing, or were made from other results than those that are collected here, keep their times: they
    are made again. Nothing is done once Snakemake has made a result of the grid in this folder: times are right then.

    Args:
        config: of the grid, as it is asked for now and as results/<grid>/config.yaml has it.
        results, figures: the grid's folders.
        reference: the published numbers.
        before: a file of this call, which has to stay newer than all results.

    Returns:
        The files whose time was set.
    """
    small = [results / name for name in _SMALL]
    if not all(path.is_file() for path in small) or any(map(_made_here, small)):
        return []
    try:
        states = file_states(config, results, figures, reference)
    except UserError:
        return []  # a damaged file: the step that reads it says so
    current = [results / "config.yaml", *small, *(path for path, state in states.items() if state == State.CURRENT)]
    if len({path.stat().st_mtime_ns for path in current}) == 1:
        return []  # an earlier call did it
    now = before.stat().st_mtime_ns - 10_000_000
    for path in current:
        os.utime(path, ns=(now, now))
    return current


def _made_here(path: Path) -> bool:
    """Whether Snakemake has noted that it made a file."""
    return (Path(".snakemake/metadata") / urlsafe_b64encode(str(path).encode()).decode()).is_file()
