"""What of a grid is missing or out of date, why, and what it would cost to bring it up to date."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from slotpipeline.experiments.grid import grid_runs, planned
from slotpipeline.experiments.outcomes import experiment_results, grid_results
from slotpipeline.reporting.report import drawn
from slotpipeline.reporting.sources import (
    OVERVIEWS,
    figure_digest,
    overview_digests,
    page_source,
    page_sources,
    picture_source,
    report_digest,
    source_digest,
)
from slotpipeline.reporting.summary import write_summary
from slotpipeline.reporting.table_files import write_table
from slotpipeline.results.collect import RUNS_CSV
from slotpipeline.results.read import Results, results_so_far
from slotpipeline.runs.run import Run
from slotpipeline.runs.run_time import time_text
from slotpipeline.runs.to_do import missing_parents, runs_to_do


class State(StrEnum):
    """How a file stands to the results."""

    CURRENT = "current"
    STALE = "stale"
    MISSING = "missing"


@dataclass(frozen=True)
class Standing:
    """One experiment of a grid.

    Attributes:
        table, figure: how the files (a table has two) stand to what has been collected.
        source, figure_source: digests of what the table and the figure should be made from.
        recorded: planned runs that runs.csv holds.
        uncollected: planned runs that are finished, but not in runs.csv yet.
        to_do: planned runs that are neither.
        again: other slot machines that must be trained once more, for runs to do that start from them.
    """

    experiment: str
    table: State
    figure: State
    source: str
    figure_source: str
    recorded: int
    uncollected: int
    to_do: Sequence[Run]
    again: Sequence[Run]

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
            *([f"{_are(len(self.again), 'slot machine')} to be trained again, to start from"] if self.again else []),
            *(
                f"{name} {'is missing' if state == State.MISSING else 'is out of date'}"
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
        known = sum(run.identity in recorded for run in runs)
        to_do = runs_to_do(runs, recorded, results)
        identities = {run.identity for run in to_do}
        found = experiment_results(there, experiment)
        figure_source = figure_digest(there, experiment, found)
        standings.append(
            Standing(
                experiment=experiment,
                table=_files_state(results / "tables", partial(write_table, there, experiment)),
                figure=_state(figures / f"{experiment}.png", picture_source, figure_source),
                source=source_digest(config, experiment, found),
                figure_source=figure_source,
                recorded=known,
                uncollected=len(runs) - known - len(to_do),
                to_do=to_do,
                again=[run for run, _ in missing_parents(to_do, results) if run.identity not in identities],
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
            "to do": f"{len(one.to_do)} ({time_text([*one.to_do, *one.again], seconds_csv)})" if one.to_do else "",
            "why": "; ".join(one.reasons),
        }
        for one in standings
    ]
    to_do = {run.identity: run for one in standings for run in one.to_do}
    again = {run.identity: run for one in standings for run in one.again}
    runs = {run.identity for run in grid_runs(config)}
    sources = {one.experiment: one.figure_source for one in standings}
    overviews = overview_digests({one.experiment: one.source for one in standings}, sources)
    states = "; ".join(
        f"{name}.png: {_state(figures / f'{name}.png', picture_source, overviews[name])}" for name in OVERVIEWS
    )
    summary = _files_state(results, lambda folder: write_summary(there, folder / "summary.json"))
    sources |= overviews
    shown = {sources[name] for name in drawn(grid_results(there))}
    report = _report_state(results / "report.html", report_digest(one.source for one in standings), shown)
    repeated = f", {len(again)} to be trained again" if again else ""
    hours = time_text([*to_do.values(), *again.values()], seconds_csv, explained=True)
    lines = [
        pd.DataFrame(rows).to_markdown(index=False, tablefmt="simple", disable_numparse=True),
        "",
        f"report: {report}; summary.json: {summary}; {states}.",
        f"Each run counts once: {len(runs) - len(to_do)} of {len(runs)} are finished, {len(to_do)} to do"
        f"{repeated}{f', {hours}, on one core like that of {seconds_csv}' if to_do else ''}.",
    ]
    others = len(set(there.runs["identity"]) - runs)
    if others:
        count = "1 run" if others == 1 else f"{others} runs"
        lines.append(f"{results / RUNS_CSV} also holds {count} that this grid does not plan; collecting keeps them.")
    return "\n".join(lines)


def _state(path: Path, source_of: Callable[[Path], str | None], expected: str) -> State:
    if not path.is_file():
        return State.MISSING
    return State.CURRENT if source_of(path) == expected else State.STALE


def _files_state(folder: Path, write: Callable[[Path], None]) -> State:
    """How files of a folder stand to what `write` would write in their place now."""
    with TemporaryDirectory() as temporary:
        write(Path(temporary))
        pairs = [(folder / made.name, made.read_bytes()) for made in Path(temporary).iterdir()]
    if not all(path.is_file() for path, _ in pairs):
        return State.MISSING
    return State.CURRENT if all(path.read_bytes() == content for path, content in pairs) else State.STALE


def _report_state(page: Path, source: str, figures: set[str]) -> State:
    """How the report stands: to its tables by `source`, to the figures that it holds by their digests."""
    state = _state(page, page_source, source)
    return State.STALE if state == State.CURRENT and not figures <= page_sources(page) else state


def _are(count: int, name: str) -> str:
    return f"{count} {name} is" if count == 1 else f"{count} {name}s are"
