"""Accuracy of a rival against the probability that a random weight is positive."""

from __future__ import annotations

from slotmachines.methods import METHODS
from slotpipeline.analysis.cell_results import CellResult, by_network
from slotpipeline.analysis.text import network_title
from slotpipeline.experiments.random_starts import PositiveShare
from slotpipeline.reporting.drawing import Drawing, finish, not_run
from slotpipeline.reporting.figure import experiment_figure, recipe_used
from slotpipeline.reporting.marks import empty, ours
from slotpipeline.reporting.style import COLOURS, cap_at_hundred, panels
from slotpipeline.results.read import Results
from slotpipeline.runs.authors_recipes import AUTHORS_RECIPES


def draw(results: Results, found: list[CellResult]) -> Drawing:
    """One panel per network."""
    method = results.config["experiments"]["signs"]["method"]
    groups = by_network(found)
    figure, axes = panels(len(groups))
    for panel, (dataset, network, part) in zip(axes, groups, strict=True):
        varied = [(one.cell.variant.share, one) for one in part if isinstance(one.cell.variant, PositiveShare)]
        varied.sort(key=lambda pair: pair[0])
        if any(one.n for one in part):
            shares, means = [share for share, _ in varied], [one.mean for _, one in varied]
            panel.plot(shares, means, color=COLOURS[method], linewidth=1.2, alpha=0.7)
        for share, one in varied:
            if one.n:
                ours(panel, one, share, share - 0.015, label=METHODS[method].label)
        panel.set(
            title=network_title(dataset, network), xlabel="probability of a positive weight",
            ylabel="test accuracy (%)", xlim=(-0.05, 1.05),
        )  # fmt: skip
        cap_at_hundred(panel)
        if not any(one.n for one in part):
            empty(panel)
    notes = [
        "All random weights of a network are positive with the probability of the axis. Marks: means with 95% "
        "t-intervals (from three seeds on); small dots beside: single seeds.",
        not_run(found),
    ]
    recipe = recipe_used(results.config, AUTHORS_RECIPES[method])
    return finish(figure, recipe, "Random weights of mostly one sign", found, notes)


if __name__ == "__main__":
    experiment_figure("signs", draw)
