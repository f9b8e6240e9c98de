"""Accuracy against K where every connection has its own values, and where a layer or the network shares one set."""

from __future__ import annotations

from slotpipeline.analysis.cell_results import CellResult, by_network
from slotpipeline.analysis.text import network_title
from slotpipeline.experiments.inside_a_network import SharedValues
from slotpipeline.reporting.drawing import Drawing, finish, not_run
from slotpipeline.reporting.figure import experiment_figure
from slotpipeline.reporting.marks import MARK_NOTE, empty, options_axis, options_curve
from slotpipeline.reporting.style import panels
from slotpipeline.results.read import Results

# Label of each variant, and where its marks stand beside K.
SERIES = (
    (None, "own values", -0.34),
    (SharedValues("layer"), "set per layer", 0.06),
    (SharedValues("network"), "set per network", 0.38),
)


def draw(results: Results, found: list[CellResult]) -> Drawing:
    """One panel per network."""
    groups = by_network(found)
    figure, axes = panels(len(groups))
    for panel, (dataset, network, part) in zip(axes, groups, strict=True):
        for variant, label, shift in SERIES:
            options_curve(panel, [one for one in part if one.cell.variant == variant], shift, label)
        options_axis(panel, part, network_title(dataset, network))
        panel.set_xlabel("number of values to choose from, K")
        if not any(one.n for one in part):
            empty(panel)
    notes = [
        "Every connection chooses one of K fixed random values (greedy selection): of K values of its own, or of a set "
        "of K that all connections of its layer, or of the whole network, share.",
        MARK_NOTE,
        not_run(found),
    ]
    return finish(figure, results.config["recipe"], "One set of values for many connections", found, notes)


if __name__ == "__main__":
    experiment_figure("sharing", draw)
