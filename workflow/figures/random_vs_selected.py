"""Bars: a network of random weights against a choice between few random values per connection."""

from __future__ import annotations

from slotpipeline.analysis.cell_results import CellResult
from slotpipeline.analysis.text import network_title, number
from slotpipeline.reporting.drawing import Drawing, finish, networks_run, not_run
from slotpipeline.reporting.figure import experiment_figure
from slotpipeline.reporting.marks import MARK_NOTE, ours, papers
from slotpipeline.reporting.style import FAINT, panels
from slotpipeline.results.read import Results

TINTS = {"random": "#d6d6d6", "greedy": "#a9cde4"}


def draw(results: Results, found: list[CellResult]) -> Drawing:
    """One group of bars per network: random weights, then each K."""
    figure, (axes,) = panels(1, height=3.4)
    ticks: dict[float, str] = {}
    names: dict[float, str] = {}
    x = 0.0
    for dataset, network, part in networks_run(found):
        first = x
        for one in part:
            ticks[x] = "random" if one.method == "random" else f"K = {one.options}"
            if one.n:
                axes.bar(x, one.mean, width=0.75, color=TINTS[one.method], zorder=2)
                ours(axes, one, x, x - 0.2, label=f"{one.method}, ours")
                # Above what stands highest: the interval or a seed.
                top = max(*one.accuracies, one.mean, *(one.interval or ()))
                axes.annotate(
                    number(one.mean, ".1f"),
                    (x, top),
                    xytext=(0, 7),
                    textcoords="offset points",
                    ha="center",
                    fontsize=10,
                )
            else:
                axes.text(x, 2, "not run", ha="center", color=FAINT, fontsize=10)
            papers(axes, one, x + 0.25, label=f"{one.method}, the paper")
            x += 1
        names[(first + x - 1) / 2] = network_title(dataset, network)
        x += 0.6
    axes.set_xticks(list(ticks), list(ticks.values()))
    axes.tick_params(axis="x", length=0)
    groups = axes.secondary_xaxis(-0.09)
    groups.set_xticks(list(names), list(names.values()), fontweight="bold")
    groups.tick_params(axis="x", length=0)
    groups.spines["bottom"].set_visible(False)
    axes.grid(axis="x", visible=False)
    axes.set_xlim(-0.8, x - 0.8)
    axes.set(ylim=(0, 108), yticks=range(0, 101, 20), ylabel="test accuracy (%)")
    notes = [f"Bars: our means. {MARK_NOTE}", not_run(found)]
    return finish(figure, results.config["recipe"], "Random weights against selected ones", found, notes)


if __name__ == "__main__":
    experiment_figure("random-vs-selected", draw)
