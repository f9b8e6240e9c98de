"""Accuracy against the number of options per connection, beside learned weights and the paper's points."""

from __future__ import annotations

from matplotlib.axes import Axes

from slotpipeline.analysis.cell_results import CellResult, plain
from slotpipeline.analysis.text import network_title
from slotpipeline.reporting.drawing import Drawing, finish, networks_run, not_run
from slotpipeline.reporting.figure import experiment_figure
from slotpipeline.reporting.marks import MARK_NOTE, band, options_axis, options_curve
from slotpipeline.reporting.style import COLOURS, panels
from slotpipeline.results.read import Results


def learned_weights(axes: Axes, learned: list[CellResult]) -> None:
    """Ours as a line in the band of its 95% interval, the paper's mean as a dotted line."""
    for one in learned:
        if one.n:
            band(axes, one, "learned weights, ours")
    for paper in (one.published_here for one in learned if one.published_here):
        axes.axhline(
            paper.value, color=COLOURS["learned"], linewidth=1.4, linestyle=":", zorder=1,
            label="learned weights, the paper",
        )  # fmt: skip


def draw(results: Results, found: list[CellResult]) -> Drawing:
    """One panel per network."""
    groups = networks_run(found)
    figure, axes = panels(len(groups))
    for panel, (dataset, network, part) in zip(axes, groups, strict=True):
        options_curve(panel, plain(part, "greedy"))
        learned_weights(panel, plain(part, "learned"))
        options_axis(panel, part, network_title(dataset, network))
    notes = [
        f"{MARK_NOTE} Blue band: the tolerance around the paper's means.",
        "Green band: 95% t-interval of learned weights.",
        not_run(found),
    ]
    return finish(figure, results.config["recipe"], "Accuracy against the number of options", found, notes)


if __name__ == "__main__":
    experiment_figure("k-sweep", draw)
