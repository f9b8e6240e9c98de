"""Slot machines and learned weights beside the methods that choose which random connections to keep."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from slotmachines.replication.run import METHODS
from slotmachines.reporting.figure import experiment_figure
from slotmachines.reporting.marks import comparable, empty, ours, papers
from slotmachines.reporting.results import Results
from slotmachines.reporting.style import FAINT, INK, finish, not_run, panels, place
from slotmachines.reporting.table import DASH, by_network, number, rows_of

NAMES = {"greedy": "slot machine", "learned": "learned weights", "edge_popup": "edge-popup", "supermask": "supermask"}


def row_name(row: Any) -> str:
    """Tick label: the method, and whether any run of ours stands behind it."""
    options = "" if pd.isna(row.options) else f", K = {row.options}"
    return f"{NAMES[row.method]}{options}" + ("" if row.n else "\n(not run here)")


def methods(axes: Axes, table: pd.DataFrame) -> None:
    """A row per method: ours above, the published number below, both in numbers at the right edge."""
    published = set(comparable(table).index)
    for y, row in enumerate(rows_of(table)):
        edge: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "va": "center", "fontsize": 10}
        if row.n:
            ours(axes, row, y - 0.12, y - 0.26, sideways=True)
            axes.text(1.01, y - 0.16, number(row.mean), fontweight="bold", **edge)
        if row.Index in published:
            papers(axes, row, y + 0.14, sideways=True)
        axes.text(1.01, y + 0.18, number(row.paper_value) if row.Index in published else DASH, color=FAINT, **edge)
    axes.set_yticks(range(len(table)), [row_name(row) for row in rows_of(table)])
    axes.set_ylim(len(table) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)


def sources(table: pd.DataFrame) -> list[str]:
    """Where the numbers of the rivals were read."""
    known = table[~table["method"].isin(METHODS) & (table["paper_provenance"] != "")]
    known = known[["method", "paper_provenance"]].drop_duplicates()
    return [f"Published numbers, {NAMES[row.method]}: {row.paper_provenance}." for row in rows_of(known)]


def draw(results: Results, table: pd.DataFrame) -> Figure:
    """One panel per network."""
    groups = by_network(table)
    figure, axes = panels(len(groups), height=3.0)
    axes[0].plot([], [], "o", color=INK, label="ours (bold numbers)")
    axes[0].plot([], [], "o", color=INK, markerfacecolor="white", markeredgewidth=1.3, label="published (grey numbers)")
    for panel, (dataset, network, part) in zip(axes, groups, strict=True):
        methods(panel, part)
        panel.set(title=place(dataset, network), xlabel="test accuracy (%)")
        if not (part["n"].any() or len(comparable(part))):
            empty(panel)
    notes = [
        "Edge-popup and supermasks choose which connections of a random network to keep. Filled marks: our mean with "
        "its 95% t-interval (from three seeds on); small dots above: single seeds; hollow marks: the published "
        "mean, its bar from lowest to highest seed where known; a dash: none is published.",
        *sources(table),
        not_run(table[table["method"].isin(METHODS)]),
    ]
    return finish(figure, results.config["recipe"], "Slot machines among their rivals", table, notes)


if __name__ == "__main__":
    experiment_figure("rivals", draw)
