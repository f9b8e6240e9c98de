"""Accuracy of a rival against the probability that a random weight is positive."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from slotmachines.methods import METHODS
from slotpipeline.analysis.cell_results import CellResult
from slotpipeline.analysis.text import network_title
from slotpipeline.experiments.random_starts import PositiveShare
from slotpipeline.reporting.drawing import Drawing, finish, networks_run, not_run
from slotpipeline.reporting.figure import experiment_figure, recipe_used
from slotpipeline.reporting.marks import SEEDS_NOTE, ours
from slotpipeline.reporting.style import COLOURS, panels
from slotpipeline.results.read import Results
from slotpipeline.runs.authors_recipes import AUTHORS_RECIPES

CLOSE_UP = (95, 98)  # percent: where the shares that can be trained differ


def series(axes: Axes, varied: Sequence[tuple[float, CellResult]]) -> None:
    """The cells against their share of positive weights, joined by a line."""
    run = [(share, one) for share, one in varied if one.n]
    colour = COLOURS[run[0][1].method]
    axes.plot([share for share, _ in run], [one.mean for _, one in run], color=colour, linewidth=1.2, alpha=0.7)
    for share, one in run:
        ours(axes, one, share, share - 0.015, label=METHODS[one.method].label)


def draw(results: Results, found: list[CellResult]) -> Drawing:
    """One panel per network."""
    method = results.config["experiments"]["signs"]["method"]
    groups = networks_run(found)
    figure, axes = panels(len(groups))
    for panel, (dataset, network, part) in zip(axes, groups, strict=True):
        varied = [(one.cell.variant.share, one) for one in part if isinstance(one.cell.variant, PositiveShare)]
        varied.sort(key=lambda pair: pair[0])
        series(panel, varied)
        panel.set(
            title=network_title(dataset, network), xlabel="probability of a positive weight",
            ylabel="test accuracy (%)", xlim=(-0.05, 1.05), ylim=(0, 101),
        )  # fmt: skip
        trained = [value for _, one in varied for value in one.accuracies if value > CLOSE_UP[0]]
        if trained and max(trained) < CLOSE_UP[1]:
            close = panel.inset_axes((0.42, 0.12, 0.56, 0.62))
            series(close, [pair for pair in varied if any(value in trained for value in pair[1].accuracies)])
            close.set_ylim(CLOSE_UP)
            close.set_title(f"the same from {CLOSE_UP[0]} to {CLOSE_UP[1]}%", fontsize=9, fontweight="normal")
            close.tick_params(labelsize=9)
    notes = [
        f"Each random weight of a network is positive with the probability on the axis. {SEEDS_NOTE}",
        not_run(found),
    ]
    recipe = recipe_used(results.config, AUTHORS_RECIPES[method])
    return finish(figure, recipe, "Random weights of mostly one sign", found, notes)


if __name__ == "__main__":
    experiment_figure("signs", draw)
