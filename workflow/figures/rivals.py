"""Slot machines and learned weights beside the methods that keep, drop or flip random connections."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from slotmachines.methods import METHODS, RIVALS
from slotpipeline.reporting.figure import experiment_figure, rivals_note
from slotpipeline.reporting.marks import comparable, empty, ours, papers
from slotpipeline.reporting.style import FAINT, INK, finish, not_run, panels, place
from slotpipeline.reporting.tables import DASH, by_network, number, rows_of
from slotpipeline.results.read import Results


def row_name(row: Any) -> str:
    """Tick label: the method, and whether any run of ours stands behind it."""
    options = "" if pd.isna(row.options) else f", K = {row.options}"
    variant = f",\n{row.variant}" if row.variant else ""
    return f"{METHODS[row.method].label}{options}{variant}" + ("" if row.n else " (not run)")


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


def leave_out_random(axes: Axes, table: pd.DataFrame) -> None:
    """End the axis below the least accurate of the methods that were trained, and shortly above 100."""
    trained = table[(table["method"] != "random") & (table["n"] > 0)]
    if len(trained):
        lowest, highest = trained["minimum"].min(), trained["maximum"].max()
        left = lowest - 0.15 * (highest - lowest) - 0.1
        axes.set_xlim(left, min(axes.get_xlim()[1], 100 + 0.02 * (100 - left)))


def sources(table: pd.DataFrame) -> list[str]:
    """Where the numbers of the rivals were read."""
    known = table[table["method"].isin(RIVALS) & (table["paper_provenance"] != "")]
    known = known[["method", "paper_provenance"]].drop_duplicates()
    return [f"Published numbers, {METHODS[row.method].label}: {row.paper_provenance}." for row in rows_of(known)]


def draw(results: Results, table: pd.DataFrame) -> Figure:
    """One panel per network."""
    groups = by_network(table)
    most = max(len(part) for *_, part in groups)
    figure, axes = panels(len(groups), columns=1, height=0.6 + 0.45 * most)
    axes[0].plot([], [], "o", color=INK, label="ours (bold numbers)")
    axes[0].plot([], [], "o", color=INK, markerfacecolor="white", markeredgewidth=1.3, label="published (grey numbers)")
    for panel, (dataset, network, part) in zip(axes, groups, strict=True):
        methods(panel, part)
        panel.set(title=place(dataset, network), xlabel="test accuracy (%)")
        leave_out_random(panel, part)
        if not (part["n"].any() or len(comparable(part))):
            empty(panel)
    notes = [
        "Pruning, supermasks and edge-popup choose which connections of a random network to keep, flipping those whose "
        "sign to change; the weights of a lottery ticket are trained. Filled marks: our mean with its 95% t-interval "
        "(from three seeds on); small dots above: single seeds; hollow marks: the published mean, its bar from lowest "
        "to highest seed where known; a dash: none is known. Random weights lie below the axis.",
        rivals_note(results.config),
        *sources(table),
        not_run(table),
    ]
    return finish(figure, results.config["recipe"], "Slot machines among their rivals", table, notes)


if __name__ == "__main__":
    experiment_figure("rivals", draw)
