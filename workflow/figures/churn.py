"""Share of connections that changed their option since the epoch before, one line per K and selection rule."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from slotpipeline.analysis.cell_results import CellResult, identities_of
from slotpipeline.analysis.text import network_title
from slotpipeline.reporting.drawing import Drawing, finish, networks_run, not_run
from slotpipeline.reporting.figure import experiment_figure
from slotpipeline.reporting.marks import curve, options_of
from slotpipeline.reporting.style import FAINT, panels, shades
from slotpipeline.results.read import Results

STYLES = {"greedy": "-", "probabilistic": "--"}
DRAWN = ":"


def restarts(curves: pd.DataFrame) -> list[int]:
    """The epochs after which the learning rate jumped up."""
    jumped = curves.groupby("identity")["learning_rate"].diff() > 0
    return sorted({int(epoch) - 1 for epoch in curves.loc[jumped, "epoch"]})


def percent_axis(axes: Axes, curves: pd.DataFrame) -> None:
    """A logarithmic axis with plain numbers; a line at zero runs into its lower end."""
    axes.set_yscale("log", nonpositive="clip")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    positive = curves.loc[curves["percent"] > 0, "percent"]
    if len(positive):
        axes.set_ylim(positive.min() / 1.5, 100 if positive.max() > 30 else positive.max() * 1.5)


def draw(results: Results, found: list[CellResult]) -> Drawing:
    """One panel per network."""
    curves = results.curves.assign(percent=100 * results.curves["changed_share"])
    if "sampled_changed_share" in curves:
        curves = curves.assign(drawn=100 * curves["sampled_changed_share"])
    groups = networks_run(found)
    colours = shades(options_of(found))
    figure, axes = panels(len(groups))
    for panel, (dataset, network, part) in zip(axes, groups, strict=True):
        shown = curves[curves["identity"].isin(identities_of(part))]
        for one in part:
            if one.n:
                rows = shown[shown["identity"].isin(one.identities)]
                label = f"{one.method}, K = {one.options}"
                curve(panel, rows, "percent", colours[one.options], label, STYLES[one.method])
                if "drawn" in rows and rows["drawn"].notna().any():
                    curve(panel, rows, "drawn", colours[one.options], f"{label}, drawn option", DRAWN)
        percent_axis(panel, shown)
        panel.grid(axis="x", visible=False)
        for epoch in restarts(shown):
            panel.axvline(epoch, color=FAINT, linewidth=0.9, alpha=0.6, zorder=1)
        panel.set(title=network_title(dataset, network), xlabel="epoch", ylabel="connections changed (%)")
    notes = [
        "Of all connections, those whose option with the highest score is another one than at the end of the epoch "
        "before. Dotted: of probabilistic selection, the option that is drawn; most of its changes come from drawing "
        "again, as the table says. Lines: means over the seeds; bands: from the lowest to the highest seed. Grey "
        "vertical lines: the learning rate jumps back up.",
        not_run(found),
    ]
    return finish(
        figure, results.config["recipe"], "Connections that change their option from epoch to epoch", found, notes
    )


if __name__ == "__main__":
    experiment_figure("churn", draw)
