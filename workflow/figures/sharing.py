"""Accuracy against K where every connection has its own values, and where a layer or the network shares one set."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from slotpipeline.reporting.figure import experiment_figure
from slotpipeline.reporting.marks import MARK_NOTE, empty, options_axis, options_curve
from slotpipeline.reporting.style import finish, not_run, panels, place
from slotpipeline.reporting.tables import by_network
from slotpipeline.results.read import Results

# Label of each variant, and where its marks stand beside K.
SERIES = {
    "": ("own values", -0.34),
    "one set per layer": ("set per layer", 0.06),
    "one set per network": ("set per network", 0.38),
}


def draw(results: Results, table: pd.DataFrame) -> Figure:
    """One panel per network."""
    groups = by_network(table)
    figure, axes = panels(len(groups))
    for panel, (dataset, network, part) in zip(axes, groups, strict=True):
        for variant, (label, shift) in SERIES.items():
            options_curve(panel, part[part["variant"] == variant], "greedy", shift, label)
        options_axis(panel, part, place(dataset, network))
        panel.set_xlabel("number of values to choose from, K")
        if not part["n"].any():
            empty(panel)
    notes = [
        "Every connection chooses one of K fixed random values (greedy selection): of K values of its own, or of a set "
        "of K that all connections of its layer, or of the whole network, share.",
        MARK_NOTE,
        not_run(table),
    ]
    return finish(figure, results.config["recipe"], "One set of values for many connections", table, notes)


if __name__ == "__main__":
    experiment_figure("sharing", draw)
