"""The files of an experiment's table: as CSV for programs, as Markdown for readers."""

from __future__ import annotations

from pathlib import Path

from slotmachines.files import replacing
from slotpipeline.analysis.comparisons import comparisons_markdown
from slotpipeline.analysis.measures import measures, readable_measures
from slotpipeline.reporting.tables import csv_text, experiment_table, markdown
from slotpipeline.results.read import Results


def write_table(results: Results, experiment: str, folder: Path) -> None:
    """Write `<experiment>.csv` and `<experiment>.md` into `folder`.

    Raises:
        UserError: a configuration does not fit, or the folder cannot be written to.
    """
    table = experiment_table(results, experiment)
    measured = measures(results, experiment, table)
    with replacing(folder / f"{experiment}.csv") as temporary:
        temporary.write_text(csv_text(table), encoding="utf-8")
    if len(measured):
        shown = readable_measures(table, measured)
        parts = [shown.to_markdown(index=False, disable_numparse=True), *comparisons_markdown(experiment, table)]
    else:
        parts = comparisons_markdown(experiment, table)
    text = "\n\n".join([markdown(table), *parts])
    with replacing(folder / f"{experiment}.md") as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
