"""Greedy against probabilistic selection at every number of options, beside the paper's points."""

from __future__ import annotations

from slotpipeline.analysis.cell_results import CellResult, plain
from slotpipeline.analysis.text import network_title
from slotpipeline.reporting.drawing import Drawing, finish, networks_run, not_run
from slotpipeline.reporting.figure import experiment_figure
from slotpipeline.reporting.marks import MARK_NOTE, options_axis, options_curve
from slotpipeline.reporting.style import panels
from slotpipeline.results.read import Results


def draw(results: Results, found: list[CellResult]) -> Drawing:
    """One panel per network."""
    groups = networks_run(found)
    figure, axes = panels(len(groups))
    for panel, (dataset, network, part) in zip(axes, groups, strict=True):
        for method, shift in (("greedy", -0.18), ("probabilistic", 0.2)):
            options_curve(panel, plain(part, method), shift)
        options_axis(panel, part, network_title(dataset, network))
    notes = [f"{MARK_NOTE} Bands: the tolerance around the paper's means.", not_run(found)]
    return finish(figure, results.config["recipe"], "Greedy against probabilistic selection", found, notes)


if __name__ == "__main__":
    experiment_figure("selection", draw)
