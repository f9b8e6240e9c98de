"""Accuracy by the range of the initial scores."""

from __future__ import annotations

from slotpipeline.analysis.cell_results import CellResult
from slotpipeline.analysis.text import network_title
from slotpipeline.reporting.drawing import Drawing, finish, networks_run, not_run
from slotpipeline.reporting.figure import experiment_figure
from slotpipeline.reporting.marks import MARK_NOTE, ours, papers
from slotpipeline.reporting.style import panels
from slotpipeline.results.read import Results


def draw(results: Results, found: list[CellResult]) -> Drawing:
    """One panel per network, one column per K and range."""
    groups = networks_run(found)
    figure, axes = panels(len(groups), columns=1)
    for panel, (dataset, network, part) in zip(axes, groups, strict=True):
        for x, one in enumerate(part):
            if one.n:
                ours(panel, one, x, x - 0.1)
            papers(panel, one, x + 0.1)
        names = [f"K = {one.options}\n{one.cell.words or 'the recipe'}" for one in part]
        panel.set_xticks(range(len(part)), names)
        panel.set(title=network_title(dataset, network), ylabel="test accuracy (%)")
    notes = [MARK_NOTE, not_run(found)]
    return finish(figure, results.config["recipe"], "Accuracy by the range of the initial scores", found, notes)


if __name__ == "__main__":
    experiment_figure("score-ranges", draw)
