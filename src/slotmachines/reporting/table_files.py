"""The files of an experiment's table: as CSV for programs, as Markdown for readers."""

from __future__ import annotations

from pathlib import Path

from slotmachines.files import replacing
from slotmachines.reporting.comparisons import comparisons_markdown
from slotmachines.reporting.results import Results
from slotmachines.reporting.table import csv_text, experiment_table, markdown


def write_table(results: Results, experiment: str, folder: Path) -> None:
    """Write `<experiment>.csv` and `<experiment>.md` into `folder`.

    Raises:
        UserError: a configuration does not fit, or the folder cannot be written to.
    """
    table = experiment_table(results, experiment)
    with replacing(folder / f"{experiment}.csv") as temporary:
        temporary.write_text(csv_text(table), encoding="utf-8")
    text = "\n\n".join([markdown(table), *comparisons_markdown(experiment, table)])
    with replacing(folder / f"{experiment}.md") as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
