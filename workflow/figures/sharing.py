"""Each run at each K where every connection has its own values, and where a layer or the network shares one set."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from slotpipeline.analysis.cell_results import CellResult, plain
from slotpipeline.analysis.statistics import COLLAPSE
from slotpipeline.analysis.text import network_title
from slotpipeline.experiments.inside_a_network import SharedValues
from slotpipeline.reporting.drawing import Drawing, finish, networks_run, not_run
from slotpipeline.reporting.figure import experiment_figure
from slotpipeline.reporting.marks import look, options_of
from slotpipeline.reporting.style import COLOURS, FAINT, MARKS, panels
from slotpipeline.results.read import Results

SERIES = ((None, "own values"), (SharedValues("layer"), "set per layer"), (SharedValues("network"), "set per network"))
WIDTH = 0.26  # of a series, where the values of K are 1 apart


def strip(axes: Axes, one: CellResult, middle: float, label: str, unshared: Sequence[float]) -> None:
    """The seeds of one cell side by side, and how many of them collapsed."""
    places = [middle + WIDTH * 0.7 * ((seed + 0.5) / one.n - 0.5) for seed in range(one.n)]
    axes.plot(
        places, one.accuracies, MARKS[look(one)], color=COLOURS[look(one)], markersize=6, alpha=0.8, linestyle="",
        label=label,
    )  # fmt: skip
    median = sorted(unshared)[len(unshared) // 2] if unshared else 0.0
    collapsed = sum(accuracy < median - COLLAPSE for accuracy in one.accuracies)
    if collapsed:
        axes.text(middle, 104, f"{collapsed} of {one.n}", ha="center", fontsize=9, color=FAINT)


def draw(results: Results, found: list[CellResult]) -> Drawing:
    """One panel per network."""
    groups = networks_run(found)
    figure, axes = panels(len(groups))
    for panel, (dataset, network, part) in zip(axes, groups, strict=True):
        options = options_of(part)
        for place, k in enumerate(options):
            unshared = [value for one in plain(part, "greedy") if one.options == k for value in one.accuracies]
            for series, (variant, label) in enumerate(SERIES):
                for one in part:
                    if one.n and one.options == k and one.cell.variant == variant:
                        strip(panel, one, place + WIDTH * (series - 1), label, unshared)
        panel.set(
            title=network_title(dataset, network), xlabel="number of values to choose from, K",
            ylabel="test accuracy (%)", xlim=(-0.5, len(options) - 0.5), ylim=(0, 110), yticks=range(0, 101, 20),
        )  # fmt: skip
        panel.set_xticks(range(len(options)), [str(k) for k in options])
        panel.grid(axis="x", visible=False)
    notes = [
        "Each mark is one seed. Every connection chooses one of K fixed random values (greedy selection): of its own "
        "K, or of K that all connections of its layer, or of the whole network, share. Numbers above: how many seeds "
        f"ended more than {COLLAPSE:g} points below the median without sharing.",
        not_run(found),
    ]
    return finish(figure, results.config["recipe"], "One set of values for many connections", found, notes)


if __name__ == "__main__":
    experiment_figure("sharing", draw)
