"""Bars: a network of random weights against a choice between few random values per connection."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from slotpipeline.reporting.figure import experiment_figure
from slotpipeline.reporting.marks import MARK_NOTE, comparable, ours, papers
from slotpipeline.reporting.style import FAINT, finish, not_run, panels, place
from slotpipeline.reporting.tables import by_network, number, rows_of
from slotpipeline.results.read import Results

TINTS = {"random": "#d6d6d6", "greedy": "#a9cde4"}


def draw(results: Results, table: pd.DataFrame) -> Figure:
    """One group of bars per network: random weights, then each K."""
    figure, (axes,) = panels(1, height=3.4)
    ticks: dict[float, str] = {}
    names: dict[float, str] = {}
    x = 0.0
    for dataset, network, part in by_network(table):
        first = x
        published = set(comparable(part).index)
        for row in rows_of(part):
            ticks[x] = "random" if row.method == "random" else f"K = {row.options}"
            if row.n:
                axes.bar(x, row.mean, width=0.75, color=TINTS[row.method], zorder=2)
                ours(axes, row, x, x - 0.2, label=f"{row.method}, ours")
                # Above whatever stands highest: the interval, a seed, or the paper's mark beside it.
                top = max(value for value in (row.maximum, row.high, row.mean) if not pd.isna(value))
                axes.annotate(
                    number(row.mean, ".1f"),
                    (x, top),
                    xytext=(0, 7),
                    textcoords="offset points",
                    ha="center",
                    fontsize=10,
                )
            else:
                axes.text(x, 2, "not run", ha="center", color=FAINT, fontsize=10)
            if row.Index in published:
                papers(axes, row, x + 0.25, label=f"{row.method}, the paper")
            x += 1
        names[(first + x - 1) / 2] = place(dataset, network)
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
    notes = [f"Bars: our means. {MARK_NOTE}", not_run(table)]
    return finish(figure, results.config["recipe"], "Random weights against selected ones", table, notes)


if __name__ == "__main__":
    experiment_figure("random-vs-selected", draw)
