"""Whether tables, figures and pages that are there are those of the results and of the code, whatever their times.

`slotmachines status` shows it, and Snakemake's rules plan by it, so that they agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path

from slotpipeline.analysis.cell_results import CellResult
from slotpipeline.experiments.outcomes import grid_results
from slotpipeline.experiments.registry import EXPERIMENTS
from slotpipeline.reporting.imported_code import ImportedCode
from slotpipeline.reporting.made_by import MadeBy
from slotpipeline.reporting.report import drawn
from slotpipeline.reporting.sources import (
    figure_digest,
    overview_digests,
    overview_script,
    page_source,
    page_sources,
    picture_source,
    report_digest,
)
from slotpipeline.reporting.summary import summary_text
from slotpipeline.reporting.table_files import table_texts
from slotpipeline.results.read import Results, results_so_far
from slotpipeline.runs.cell import Config


class State(StrEnum):
    """How a file stands to the results, and to the code that makes it."""

    CURRENT = "current"
    STALE = "stale"
    MISSING = "missing"


def figure_script(name: str) -> str:
    """The script of the figure of an experiment, or of a whole grid, relative to the project."""
    return EXPERIMENTS[name].figure_script if name in EXPERIMENTS else overview_script(name)


def file_states(
    config: Config, results: Path, figures: Path, reference_csv: Path, code: ImportedCode | None = None
) -> dict[Path, State]:
    """As `states_of`, of what was collected so far.

    Raises:
        UserError: a file that is there cannot be read.
    """
    there = results_so_far(config, results, reference_csv)
    return states_of(there, grid_results(there), results, figures, code)


def states_of(
    there: Results,
    found: Mapping[str, Sequence[CellResult]],
    results: Path,
    figures: Path,
    code: ImportedCode | None = None,
) -> dict[Path, State]:
    """How each table, figure and page of a grid stands to what was collected and to the code that makes it.

    A table is named by its CSV file, which stands for the table's other files, too, and a figure by its PNG. The texts
    of tables are what they would be now; figures and pages are told by their digests and by their code.

    Args:
        there: what was collected.
        found: experiment -> the results of its cells.
        results, figures: the grid's folders.
        code: of the project; read anew where it is not given.
    """
    states = {
        results / f"tables/{name}.csv": _text_state(results / "tables", table_texts(there, name, part))
        for name, part in found.items()
    }
    states[results / "summary.json"] = _text_state(results, {"summary.json": summary_text(there, found)})
    sources = {name: figure_digest(there, name, part) for name, part in found.items()}
    sources |= overview_digests(found, sources)
    pictures, page = {name: figures / f"{name}.png" for name in sources}, results / "report.html"
    code, made_by = code or ImportedCode(), MadeBy([*pictures.values(), page], page)
    behind = {name: [RULES, *code.files_behind_script(figure_script(name))] for name in sources}
    for name, picture in pictures.items():
        is_current = picture.is_file() and picture_source(picture) == sources[name]
        states[picture] = _state(picture, is_current and made_by.is_by(picture, behind[name]))
    # A page holds its figures, so the code behind these is its own, too.
    shown = drawn(found)
    behind_page = {RULES, *code.files_behind(REPORT), *(file for name in shown for file in behind[name])}
    is_current = (
        page.is_file()
        and page_source(page) == report_digest(there, found)
        and {sources[name] for name in shown} <= page_sources(page)
        and State.STALE not in [states[pictures[name]] for name in shown]
        and made_by.is_by(page, behind_page)
    )
    return states | {page: _state(page, is_current)}


REPORT = "slotpipeline.reporting.report"
RULES = "workflow/rules/report.smk"
"""The commands that draw figures and write pages, relative to the project."""


def _state(path: Path, is_current: bool) -> State:
    return State.CURRENT if is_current else State.STALE if path.is_file() else State.MISSING


def _text_state(folder: Path, texts: Mapping[str, str]) -> State:
    """How files of a folder stand to what would be written now; `texts`: file -> content."""
    if not all((folder / name).is_file() for name in texts):
        return State.MISSING
    is_current = all((folder / name).read_bytes() == text.encode() for name, text in texts.items())
    return State.CURRENT if is_current else State.STALE
