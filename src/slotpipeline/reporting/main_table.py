"""The main table of a grid for the terminal, and what a reader of it has to know besides."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tabulate import tabulate

from slotpipeline.analysis.cell_results import CellResult
from slotpipeline.experiments.grid import grid_runs, runs_with_histograms
from slotpipeline.experiments.outcomes import experiment_results, grid_results
from slotpipeline.reporting.sources import page_source, report_digest
from slotpipeline.reporting.tables import chosen_note, data_notes_of, readable
from slotpipeline.results.collect import runs_to_collect
from slotpipeline.results.read import Results


def main_table_text(results: Results, style: str = "simple", *, only_run: bool = False) -> str:
    """The grid's main table: k-sweep and selection, or all experiments where the grid has neither.

    `style` is a table format of tabulate: "simple" for the terminal, "pipe" for Markdown. With `only_run`, cells
    without a run are left out. Paragraphs below the table say what the results have to mention about their data and
    their recipe.
    """
    found = [one for one in _cells(results) if one.n or not only_run]
    shown = readable(found).drop(columns=["variant", "epochs", "min to max", "last epoch", "tolerance"]).to_dict("list")
    text = str(tabulate(shown, headers="keys", tablefmt=style, disable_numparse=True))
    return "\n\n".join([text, *chosen_note(found), *data_notes_of(found)])


def _cells(results: Results) -> list[CellResult]:
    """The cells of the main table, each once."""
    experiments = results.config["experiments"]
    names = [name for name in ("k-sweep", "selection") if name in experiments] or list(experiments)
    cells: dict[tuple[object, ...], CellResult] = {}
    for one in (one for name in names for one in experiment_results(results, name)):
        cells.setdefault((one.dataset, one.network, one.method, one.options, one.cell.words, one.epochs), one)
    networks = list(results.config["networks"])
    return sorted(cells.values(), key=lambda one: networks.index(one.network))


def machines_line(results: Results) -> str:
    """Which machines trained the runs of the main table, where they differ: some may have come with the project."""
    identities = {identity for one in _cells(results) for identity in one.identities}
    shown = results.runs[results.runs["identity"].isin(identities)]
    on = Counter(
        str(row["processor"]) if row["device"] == "cpu" else str(row["device"]) for row in shown.to_dict("records")
    )
    if len(on) < 2:
        return ""
    return f"Trained on {', '.join(f'{name} ({count} runs)' for name, count in on.most_common())}."


def behind_lines(results: Results, folder: Path) -> list[str]:
    """In what the main table and the report are behind the runs that are there, a line each.

    Args:
        folder: the grid's folder of results.
    """
    lines = []
    config, how = results.config, f"make collect GRID={results.config['grid']}"
    if waiting := runs_to_collect(grid_runs(config), runs_with_histograms(config), folder):
        lines.append(f"Not in this table: {len(waiting)} runs that have finished since. To add them: {how}")
    report = folder / "report.html"
    if not report.is_file():
        lines.append(f"There is no report yet. To make it: {how}")
    elif page_source(report) != report_digest(results, grid_results(results)):
        lines.append(f"The report is older than this table. To rebuild it: {how}")
    return lines
