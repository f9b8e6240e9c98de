"""Accuracy against the number of options per connection, beside learned weights and the paper's points."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from slotpipeline.reporting.figure import experiment_figure
from slotpipeline.reporting.marks import MARK_NOTE, band, comparable, empty, options_axis, options_curve
from slotpipeline.reporting.style import COLOURS, finish, not_run, panels, place
from slotpipeline.reporting.tables import by_network, rows_of
from slotpipeline.results.read import Results


def learned_weights(axes: Axes, table: pd.DataFrame) -> None:
    """Ours as a line in the band of its 95% interval, the paper's mean as a dotted line."""
    learned = table[table["method"] == "learned"]
    for row in rows_of(learned[learned["n"] > 0]):
        band(axes, row, "learned weights, ours")
    for row in rows_of(comparable(learned)):
        axes.axhline(
            row.paper_value, color=COLOURS["learned"], linewidth=1.4, linestyle=":", zorder=1,
            label="learned weights, the paper",
        )  # fmt: skip


def draw(results: Results, table: pd.DataFrame) -> Figure:
    """One panel per network."""
    groups = by_network(table)
    figure, axes = panels(len(groups))
    for panel, (dataset, network, part) in zip(axes, groups, strict=True):
        options_curve(panel, part, "greedy")
        learned_weights(panel, part)
        options_axis(panel, part, place(dataset, network))
        if not part["n"].any():
            empty(panel)
    notes = [MARK_NOTE, "Green band: 95% t-interval of learned weights.", not_run(table)]
    return finish(figure, results.config["recipe"], "Accuracy against the number of options", table, notes)


if __name__ == "__main__":
    experiment_figure("k-sweep", draw)
