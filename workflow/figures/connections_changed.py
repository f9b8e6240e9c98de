"""Accuracy against the share of connections that pruning and flipping change, epoch by epoch."""

from __future__ import annotations

from matplotlib.axes import Axes

from slotmachines.methods import METHODS, RIVALS
from slotpipeline.analysis.cell_results import CellResult
from slotpipeline.analysis.text import network_title
from slotpipeline.experiments.competitors import CHANGE_GOAL, altered_shares
from slotpipeline.reporting.drawing import Drawing, finish, networks_run, not_run
from slotpipeline.reporting.figure import experiment_figure, recipe_used
from slotpipeline.reporting.marks import band
from slotpipeline.reporting.style import COLOURS, FAINT, INK, MARKS, panels
from slotpipeline.results.read import Results


def paths(axes: Axes, results: Results, found: list[CellResult]) -> None:
    """A line per seed through the epochs, with a mark at the epoch that is best on validation."""
    for one in (one for one in found if one.method in RIVALS):
        style = "--" if METHODS[one.method].arguments else "-"
        best = 100 * altered_shares(results, one.identities)
        for identity, accuracy in zip(one.identities, one.accuracies, strict=True):
            curve = results.curves[results.curves["identity"] == identity].sort_values("epoch")
            axes.plot(
                100 * curve["altered_share"], curve["test_accuracy"], style, color=COLOURS[one.method], linewidth=0.9,
                alpha=0.7,
            )  # fmt: skip
            axes.plot(
                best[identity], accuracy, MARKS[one.method], color=COLOURS[one.method], markersize=6, zorder=4,
                label=METHODS[one.method].label,
            )  # fmt: skip


def draw(results: Results, found: list[CellResult]) -> Drawing:
    """One panel per network."""
    groups = networks_run(found)
    figure, axes = panels(len(groups), height=4.0)
    for panel, (dataset, network, part) in zip(axes, groups, strict=True):
        paths(panel, results, part)
        lowest = min((value for one in part if one.method in RIVALS for value in one.accuracies), default=0.0)
        if lowest > 50:
            close = panel.inset_axes((0.3, 0.1, 0.68, 0.62))
            paths(close, results, part)
            close.set_title("the same, close up", fontsize=9, fontweight="normal")
            close.tick_params(labelsize=9)
        for one in (one for one in part if one.method == "learned" and one.n):
            band(panel, one, "learned weights")
            panel.axhline(
                CHANGE_GOAL * one.mean, color=INK, linestyle=":", linewidth=1.2, zorder=1, label="90% of that accuracy"
            )
        panel.axvline(10, color=FAINT, linewidth=0.9, alpha=0.6, zorder=1, label="10% of the connections")
        panel.set(
            title=network_title(dataset, network), xlabel="connections not used as they were drawn (%)",
            ylabel="test accuracy (%)",
        )  # fmt: skip
        panel.set(xlim=(0, None), ylim=(0, 101))
    notes = [
        "Pruning drops random connections, flipping changes their sign; the minimal variants pay for each one. Lines: "
        "each seed from the end of its first epoch on (before it no connection has changed); marks: its epoch that is "
        "best on validation. Green band: the 95% t-interval of learned weights (from three seeds on). Both axes start "
        "at zero.",
        not_run(found),
    ]
    return finish(
        figure, recipe_used(results.config, "ivan-florian"), "How many connections have to change?", found, notes
    )


if __name__ == "__main__":
    experiment_figure("connections-changed", draw)
