"""Accuracy against the number of options, by recipes as they are, beside the paper's points."""

from __future__ import annotations

from slotpipeline.analysis.cell_results import CellResult
from slotpipeline.analysis.text import network_title
from slotpipeline.reporting.drawing import Drawing, finish, networks_run, not_run
from slotpipeline.reporting.figure import experiment_figure
from slotpipeline.reporting.marks import MARK_NOTE, options_axis, options_curve
from slotpipeline.reporting.style import panels
from slotpipeline.results.read import Results


def draw(results: Results, found: list[CellResult]) -> Drawing:
    """One panel per network, recipe and method."""
    parts = [
        (f"{network_title(dataset, network)}: recipe {words}", method, one)
        for dataset, network, part in networks_run(found)
        for words, method in dict.fromkeys((cell.cell.words, cell.method) for cell in part)
        for one in [[cell for cell in part if (cell.cell.words, cell.method) == (words, method)]]
        if any(cell.n for cell in one)
    ]
    figure, axes = panels(len(parts))
    for panel, (title, method, part) in zip(axes, parts, strict=True):
        options_curve(panel, part, label=method)
        options_axis(panel, part, title)
    notes = [MARK_NOTE, "Each recipe has its own number of epochs.", not_run(found)]
    return finish(figure, "each panel's own", "Accuracy by recipes as they are", found, notes)


if __name__ == "__main__":
    experiment_figure("whole-recipes", draw)
