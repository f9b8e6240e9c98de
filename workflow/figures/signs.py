"""Accuracy of a rival against the probability that a random weight is positive."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from slotmachines.methods import METHODS
from slotpipeline.experiments.registry import POSITIVE
from slotpipeline.reporting.figure import experiment_figure, recipe_used
from slotpipeline.reporting.marks import empty, ours
from slotpipeline.reporting.style import COLOURS, cap_at_hundred, finish, not_run, panels, place
from slotpipeline.reporting.tables import by_network, rows_of
from slotpipeline.results.read import Results
from slotpipeline.runs.authors_recipes import AUTHORS_RECIPES


def draw(results: Results, table: pd.DataFrame) -> Figure:
    """One panel per network."""
    method = results.config["experiments"]["signs"]["method"]
    groups = by_network(table)
    figure, axes = panels(len(groups))
    for panel, (dataset, network, part) in zip(axes, groups, strict=True):
        shares = part["variant"].str.removeprefix(POSITIVE).astype(float)
        ordered = part.assign(share=shares).sort_values("share")
        if part["n"].any():
            panel.plot(ordered["share"], ordered["mean"], color=COLOURS[method], linewidth=1.2, alpha=0.7)
        for row in rows_of(ordered[ordered["n"] > 0]):
            ours(panel, row, row.share, row.share - 0.015, label=METHODS[method].label)
        panel.set(
            title=place(dataset, network), xlabel="probability of a positive weight", ylabel="test accuracy (%)",
            xlim=(-0.05, 1.05),
        )  # fmt: skip
        cap_at_hundred(panel)
        if not part["n"].any():
            empty(panel)
    notes = [
        "All random weights of a network are positive with the probability of the axis. Marks: means with 95% "
        "t-intervals (from three seeds on); small dots beside: single seeds.",
        not_run(table),
    ]
    recipe = recipe_used(results.config, AUTHORS_RECIPES[method])
    return finish(figure, recipe, "Random weights of mostly one sign", table, notes)


if __name__ == "__main__":
    experiment_figure("signs", draw)
