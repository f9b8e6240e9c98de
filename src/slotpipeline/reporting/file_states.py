"""Whether tables, figures and pages that are there are those of the results: by content or digest, not by time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path

from slotpipeline.experiments.outcomes import grid_results
from slotpipeline.reporting.report import drawn
from slotpipeline.reporting.sources import (
    figure_digest,
    overview_digests,
    page_source,
    page_sources,
    picture_source,
    report_digest,
)
from slotpipeline.reporting.summary import summary_text
from slotpipeline.reporting.table_files import table_texts
from slotpipeline.results.read import results_so_far
from slotpipeline.runs.cell import Config


class State(StrEnum):
    """How a file stands to the results."""

    CURRENT = "current"
    STALE = "stale"
    MISSING = "missing"


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
    states = {results / name: files_state(results, {name: text}) for name, text in texts.items()}
    for name, source in sources.items():
        states[figures / f"{name}.png"] = state_of(figures / f"{name}.png", picture_source, source)
    shown = {sources[name] for name in drawn(found)}
    page = results / "report.html"
    return states | {page: report_state(page, report_digest(there, found), shown)}


def state_of(path: Path, source_of: Callable[[Path], str | None], expected: str) -> State:
    """How a file stands that names what it was made from."""
    if not path.is_file():
        return State.MISSING
    return State.CURRENT if source_of(path) == expected else State.STALE


def files_state(folder: Path, texts: Mapping[str, str]) -> State:
    """How files of a folder stand to what would be written now; `texts`: file -> content."""
    if not all((folder / name).is_file() for name in texts):
        return State.MISSING
    is_current = all((folder / name).read_bytes() == text.encode() for name, text in texts.items())
    return State.CURRENT if is_current else State.STALE


def report_state(page: Path, source: str, figures: set[str]) -> State:
    """How the report stands: to its tables by `source`, to the figures that it holds by their digests."""
    state = state_of(page, page_source, source)
    return State.STALE if state == State.CURRENT and not figures <= page_sources(page) else state
