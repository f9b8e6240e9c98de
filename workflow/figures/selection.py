"""Greedy against probabilistic selection at every number of options, beside the paper's points."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from slotpipeline.reporting.figure import experiment_figure
from slotpipeline.reporting.marks import MARK_NOTE, empty, options_axis, options_curve
from slotpipeline.reporting.style import finish, not_run, panels, place
from slotpipeline.reporting.tables import by_network
from slotpipeline.results.read import Results


def draw(results: Results, table: pd.DataFrame) -> Figure:
    """One panel per network."""
    groups = by_network(table)
    figure, axes = panels(len(groups))
    for panel, (dataset, network, part) in zip(axes, groups, strict=True):
        for method, shift in (("greedy", -0.18), ("probabilistic", 0.2)):
            options_curve(panel, part, method, shift)
        options_axis(panel, part, place(dataset, network))
        if not part["n"].any():
            empty(panel)
    return finish(
        figure, results.config["recipe"], "Greedy against probabilistic selection", table, [MARK_NOTE, not_run(table)]
    )


if __name__ == "__main__":
    experiment_figure("selection", draw)
