"""What of a grid is missing or out of date, why, and what it would cost to bring it up to date."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import pandas as pd

from slotmachines.errors import UserError
from slotmachines.replication.collect import RUNS_CSV
from slotmachines.replication.cost import estimated_hours
from slotmachines.replication.grid import grid_runs, planned
from slotmachines.replication.run import METRICS, Run
from slotmachines.reporting.results import Results, results_so_far
from slotmachines.reporting.sources import page_source, picture_source, report_digest, source_digest
from slotmachines.reporting.table import csv_text, experiment_table


class State(StrEnum):
    """How a file stands to the results."""

    CURRENT = "current"
    STALE = "stale"
    MISSING = "missing"


@dataclass(frozen=True)
class Standing:
    """One experiment of a grid.

    Attributes:
        table, figure: how the files stand to what runs.csv holds.
        source: digest of what they should be made from.
        recorded: planned runs that runs.csv holds.
        uncollected: planned runs that are finished, but not in runs.csv yet.
        to_do: planned runs that are neither.
    """

    experiment: str
    table: State
    figure: State
    source: str
    recorded: int
    uncollected: int
    to_do: Sequence[Run]

    @property
    def runs(self) -> int:
        """How many runs the experiment plans."""
        return self.recorded + self.uncollected + len(self.to_do)

    @property
    def reasons(self) -> list[str]:
        """Why it is not up to date, in words."""
        return [
            *([f"{_are(self.uncollected, 'finished run')} not collected"] if self.uncollected else []),
            *([f"{_are(len(self.to_do), 'run')} to do"] if self.to_do else []),
            *(
                f"{name} {'is missing' if state == State.MISSING else 'was made from other results'}"
                for name, state in (("table", self.table), ("figure", self.figure))
                if state != State.CURRENT
            ),
        ]


def grid_status(config: Mapping[str, Any], there: Results, results: Path, figures: Path) -> list[Standing]:
    """How each experiment of a grid stands to its results so far.

    Args:
        config: of the grid, as it is asked for now.
        there: what has been collected.
        results, figures: the grid's folders.
    """
    recorded = set(there.runs["identity"])
    standings = []
    for experiment, runs in planned(config).items():
        missing = [run for run in runs if run.identity not in recorded]
        to_do = [run for run in missing if not (results / "runs" / run.folder / METRICS).is_file()]
        table = experiment_table(there, experiment)
        source = source_digest(config, experiment, table)
        standings.append(
            Standing(
                experiment=experiment,
                table=_state(results / "tables" / f"{experiment}.csv", _text, csv_text(table)),
                figure=_state(figures / f"{experiment}.png", picture_source, source),
                source=source,
                recorded=len(runs) - len(missing),
                uncollected=len(missing) - len(to_do),
                to_do=to_do,
            )
        )
    return standings


def status_text(config: Mapping[str, Any], results: Path, figures: Path, reference_csv: Path, seconds_csv: Path) -> str:
    """The status of a grid for the terminal: a line per experiment, and what is left in total.

    Raises:
        UserError: a file that is there cannot be read.
    """
    there = results_so_far(config, results, reference_csv)
    standings = grid_status(config, there, results, figures)
    rows = [
        {
            "experiment": one.experiment,
            "table": one.table,
            "figure": one.figure,
            "runs": f"{one.recorded} of {one.runs}",
            "to do": f"{len(one.to_do)} ({_hours(one.to_do, seconds_csv)})" if one.to_do else "",
            "why": "; ".join(one.reasons),
        }
        for one in standings
    ]
    to_do = {run.identity: run for one in standings for run in one.to_do}
    runs = {run.identity for run in grid_runs(config)}
    report = _state(results / "report.html", page_source, report_digest(one.source for one in standings))
    lines = [
        pd.DataFrame(rows).to_markdown(index=False, tablefmt="simple", disable_numparse=True),
        "",
        f"report: {report}. Each run counts once: {len(runs) - len(to_do)} of {len(runs)} are finished, "
        f"{len(to_do)} to do"
        + (f", {_hours(list(to_do.values()), seconds_csv)} on one core like that of {seconds_csv}." if to_do else "."),
    ]
    strange = len(set(there.runs["identity"]) - runs)
    if strange:
        lines.append(
            f"{results / RUNS_CSV} also holds {strange} runs that this grid does not plan; collecting drops them."
        )
    return "\n".join(lines)


def _state(path: Path, source_of: Callable[[Path], str | None], expected: str) -> State:
    if not path.is_file():
        return State.MISSING
    return State.CURRENT if source_of(path) == expected else State.STALE


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _hours(runs: Sequence[Run], seconds_csv: Path) -> str:
    try:
        return f"about {estimated_hours(runs, seconds_csv):.1f} hours"
    except UserError as error:
        return f"unknown time: {error}"


def _are(count: int, name: str) -> str:
    return f"{count} {name} is" if count == 1 else f"{count} {name}s are"
