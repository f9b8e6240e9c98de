"""What of a grid is missing or out of date, why, and what it would cost to bring it up to date."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import pandas as pd

from slotpipeline.analysis.cell_results import CellResult
from slotpipeline.experiments.grid import planned
from slotpipeline.experiments.outcomes import grid_results
from slotpipeline.reporting.claim_table import claims_of_grid, counted
from slotpipeline.reporting.report import drawn
from slotpipeline.reporting.sources import (
    OVERVIEWS,
    figure_digest,
    overview_digests,
    page_source,
    page_sources,
    picture_source,
    report_digest,
)
from slotpipeline.reporting.summary import summary_text
from slotpipeline.reporting.table_files import table_texts
from slotpipeline.results.collect import RUNS_CSV
from slotpipeline.results.read import Results, results_so_far
from slotpipeline.runs.cell import Config
from slotpipeline.runs.run import Run
from slotpipeline.runs.run_time import time_text
from slotpipeline.runs.to_do import failures, missing_parents, runs_to_do


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
        figure_source: digest of what the figure should be made from.
        runs: that the grid asks for.
        recorded: how many of them runs.csv holds.
        uncollected: how many are finished, but not in runs.csv yet.
        to_do: the others.
        failed: folder of a run to do that failed -> why.
        again: other slot machines that must be trained again, because runs to do start from their weights.
    """

    experiment: str
    table: State
    figure: State
    figure_source: str
    runs: Sequence[Run]
    recorded: int
    uncollected: int
    to_do: Sequence[Run]
    failed: Mapping[str, str]
    again: Sequence[Run]

    @property
    def reasons(self) -> list[str]:
        """Why it is not up to date, in words."""
        return [
            *([f"{_are(self.uncollected, 'finished run')} not collected"] if self.uncollected else []),
            *([f"{_are(len(self.to_do), 'run')} to do"] if self.to_do else []),
            *([f"{len(self.failed)} of them failed"] if self.failed else []),
            *([f"{_are(len(self.again), 'slot machine')} to be trained again, to start from"] if self.again else []),
            *(
                f"{name} {'is missing' if state == State.MISSING else 'is out of date'}"
                for name, state in (("table", self.table), ("figure", self.figure))
                if state != State.CURRENT
            ),
        ]


def grid_status(
    config: Config, there: Results, all_found: Mapping[str, Sequence[CellResult]], results: Path, figures: Path
) -> list[Standing]:
    """How each experiment of a grid stands to its results so far.

    Args:
        all_found: experiment -> the results of its cells, see `grid_results`.
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
        found = all_found[experiment]
        figure_source = figure_digest(there, experiment, found)
        standings.append(
            Standing(
                experiment=experiment,
                table=_files_state(results / "tables", table_texts(there, experiment, found)),
                figure=_state(figures / f"{experiment}.png", picture_source, figure_source),
                figure_source=figure_source,
                runs=runs,
                recorded=known,
                uncollected=len(runs) - known - len(to_do),
                to_do=to_do,
                failed=failures(to_do, results),
                again=[run for run, _ in missing_parents(to_do, results) if run.identity not in identities],
            )
        )
    return standings


def status_text(config: Config, results: Path, figures: Path, reference_csv: Path, seconds_csv: Path) -> str:
    """The status of a grid for the terminal: a line per experiment, and what is left in total.

    Raises:
        UserError: a file that is there cannot be read.
    """
    there = results_so_far(config, results, reference_csv)
    found = grid_results(there)
    standings = grid_status(config, there, found, results, figures)
    rows = [
        {
            "experiment": one.experiment,
            "table": one.table,
            "figure": one.figure,
            "runs": f"{one.recorded} of {len(one.runs)}",
            "to do": f"{len(one.to_do)} ({time_text([*one.to_do, *one.again], seconds_csv)})" if one.to_do else "",
            "why": "; ".join(one.reasons),
        }
        for one in standings
    ]
    to_do = {run.identity: run for one in standings for run in one.to_do}
    again = {run.identity: run for one in standings for run in one.again}
    runs = {run.identity for one in standings for run in one.runs}
    sources = {one.experiment: one.figure_source for one in standings}
    overviews = overview_digests(found, sources)
    states = "; ".join(
        f"{name}.png: {_state(figures / f'{name}.png', picture_source, overviews[name])}" for name in OVERVIEWS
    )
    summary = _files_state(results, {"summary.json": summary_text(there, found)})
    sources |= overviews
    shown = {sources[name] for name in drawn(found)}
    report = _report_state(results / "report.html", report_digest(there, found), shown)
    repeated = f", {len(again)} to be trained again" if again else ""
    hours = time_text([*to_do.values(), *again.values()], seconds_csv, explained=True)
    lines = [
        pd.DataFrame(rows).to_markdown(index=False, tablefmt="simple", disable_numparse=True),
        "",
        f"report: {report}; summary.json: {summary}; {states}.",
        f"Each run counts once: {len(runs) - len(to_do)} of {len(runs)} are finished, {len(to_do)} to do"
        f"{repeated}{f', {hours}, on one core like that of {seconds_csv}' if to_do else ''}.",
    ]
    failed = {folder: why for one in standings for folder, why in one.failed.items()}
    lines += [f"failed: {folder}: {why}" for folder, why in failed.items()]
    if claims := claims_of_grid(there):
        lines.append(f"{counted(claims.judged)} See `slotmachines claims`.")
    others = len(set(there.runs["identity"]) - runs)
    if others:
        count = "1 run" if others == 1 else f"{others} runs"
        lines.append(f"{results / RUNS_CSV} also holds {count} that this grid does not plan; collecting keeps them.")
    return "\n".join(lines)


def file_states(config: Config, results: Path, figures: Path, reference_csv: Path) -> dict[Path, State]:
    """How each table, figure and page of a grid stands to what was collected, by its content or its digest alone.

    Raises:
        UserError: a file that is there cannot be read.
    """
    there = results_so_far(config, results, reference_csv)
    found = grid_results(there)
    sources = {name: figure_digest(there, name, part) for name, part in found.items()}
    sources |= overview_digests(found, sources)
    texts = {"summary.json": summary_text(there, found)}
    for name, part in found.items():
        texts |= {f"tables/{file}": text for file, text in table_texts(there, name, part).items()}
    states = {results / name: _files_state(results, {name: text}) for name, text in texts.items()}
    for name, source in sources.items():
        states[figures / f"{name}.png"] = _state(figures / f"{name}.png", picture_source, source)
    shown = {sources[name] for name in drawn(found)}
    page = results / "report.html"
    return states | {page: _report_state(page, report_digest(there, found), shown)}


def _state(path: Path, source_of: Callable[[Path], str | None], expected: str) -> State:
    if not path.is_file():
        return State.MISSING
    return State.CURRENT if source_of(path) == expected else State.STALE


def _files_state(folder: Path, texts: Mapping[str, str]) -> State:
    """How files of a folder stand to what would be written now; `texts`: file -> content."""
    if not all((folder / name).is_file() for name in texts):
        return State.MISSING
    is_current = all((folder / name).read_bytes() == text.encode() for name, text in texts.items())
    return State.CURRENT if is_current else State.STALE


def _report_state(page: Path, source: str, figures: set[str]) -> State:
    """How the report stands: to its tables by `source`, to the figures that it holds by their digests."""
    state = _state(page, page_source, source)
    return State.STALE if state == State.CURRENT and not figures <= page_sources(page) else state


def _are(count: int, name: str) -> str:
    return f"{count} {name} is" if count == 1 else f"{count} {name}s are"
