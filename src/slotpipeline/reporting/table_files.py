"""The files of an experiment's table: as CSV for programs, as Markdown for readers, as LaTeX for papers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from slotmachines.files import replacing
from slotpipeline.analysis.cell_results import CellResult
from slotpipeline.experiments.outcomes import comparisons, experiment_results, measures
from slotpipeline.reporting.tables import (
    COMPARISON_NOTE,
    csv_text,
    latex,
    markdown,
    notes_of,
    readable,
    readable_comparisons,
    readable_measures,
)
from slotpipeline.results.read import Results


def write_table(results: Results, experiment: str, folder: Path) -> None:
    """Write `<experiment>.csv`, `<experiment>.md` and `<experiment>.tex` into `folder`.

    Raises:
        UserError: a configuration does not fit, or the folder cannot be written to.
    """
    for name, text in table_texts(results, experiment, experiment_results(results, experiment)).items():
        with replacing(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")


def table_texts(results: Results, experiment: str, found: Sequence[CellResult]) -> dict[str, str]:
    """File -> its content; `found`: see `experiment_results`."""
    return {
        f"{experiment}.csv": csv_text(found),
        f"{experiment}.md": markdown_page(results, experiment, found),
        f"{experiment}.tex": latex_page(results, experiment, found),
    }


def markdown_page(results: Results, experiment: str, found: Sequence[CellResult]) -> str:
    """The table of an experiment with its notes, what it measures, and its comparisons with a note on how to read them.

    What it does not measure or compare is left out.
    """
    measured, compared = measures(results, experiment, found), comparisons(experiment, found)
    parts = [markdown(readable(found)), *notes_of(found)]
    parts += [markdown(readable_measures(measured))] if measured else []
    parts += [markdown(readable_comparisons(compared)), COMPARISON_NOTE] if compared else []
    return "\n\n".join(parts) + "\n"


def latex_page(results: Results, experiment: str, found: Sequence[CellResult]) -> str:
    """The tables of `markdown_page` for a paper, one below the other, without the cells that were not run."""
    run = [one for one in found if one.n]
    measured, compared = measures(results, experiment, found), comparisons(experiment, found)
    tables = [readable(run), readable_measures(measured), readable_comparisons(compared)]
    return "\n".join(latex(table) for table in tables if len(table))
