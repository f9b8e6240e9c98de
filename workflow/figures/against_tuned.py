"""Accuracy against the number of options, beside learned weights whose settings were tuned."""

from __future__ import annotations

from slotpipeline.analysis.cell_results import CellResult, plain
from slotpipeline.analysis.text import network_title
from slotpipeline.experiments.tuned_baseline import tuned
from slotpipeline.reporting.drawing import Drawing, finish, networks_run, not_run
from slotpipeline.reporting.figure import experiment_figure
from slotpipeline.reporting.marks import MARK_NOTE, band, options_axis, options_curve
from slotpipeline.reporting.style import panels
from slotpipeline.results.read import Results


def draw(results: Results, found: list[CellResult]) -> Drawing:
    """One panel per network."""
    groups = networks_run(found)
    figure, axes = panels(len(groups))
    for panel, (dataset, network, part) in zip(axes, groups, strict=True):
        greedy = plain(part, "greedy")
        options_curve(panel, greedy)
        for one in tuned(part):
            if one.n:
                band(panel, one, "tuned learned weights")
        options_axis(panel, greedy, network_title(dataset, network))
    notes = [MARK_NOTE, "Green band: 95% t-interval of tuned learned weights.", not_run(found)]
    return finish(figure, results.config["recipe"], "Against tuned learned weights", found, notes)


if __name__ == "__main__":
    experiment_figure("against-tuned", draw)
