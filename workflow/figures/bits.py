"""Accuracy of all methods against the bits per connection that their results take."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from slotmachines.methods import METHODS
from slotpipeline.analysis.measures import measures
from slotpipeline.reporting.figure import experiment_figure, rivals_note
from slotpipeline.reporting.marks import empty, ours
from slotpipeline.reporting.style import FAINT, finish, not_run, panels, place
from slotpipeline.reporting.tables import by_network, number, rows_of
from slotpipeline.results.read import Results

TICKS = (0, 0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32)


def marks(axes: Axes, rows: list[Any], bits: dict[Any, float]) -> None:
    """A mark per cell, at its bits; beside a slot machine its K."""
    for row in rows:
        at = bits[row.Index]
        label = METHODS[row.method].label
        ours(axes, row, at, at, label=label if pd.isna(row.options) else f"{label}, its K beside it")
        if not pd.isna(row.options):
            axes.annotate(
                str(row.options), (at, row.mean), xytext=(5, 5), textcoords="offset points", fontsize=9, color=FAINT,
            )  # fmt: skip


def draw(results: Results, table: pd.DataFrame) -> Figure:
    """One panel per network; random weights, which take no bits, are named in a corner."""
    measured = measures(results, "bits", table)
    groups = by_network(table)
    figure, axes = panels(len(groups), columns=1, height=4.0)
    for panel, (dataset, network, part) in zip(axes, groups, strict=True):
        run = part[part["n"] > 0]
        marks(panel, rows_of(run[run["method"] != "random"]), dict(measured.get("bits per connection", {})))
        for row in rows_of(run[run["method"] == "random"]):
            panel.text(
                0.01, 0.98, f"0 bits: random weights, {number(row.mean)}%", transform=panel.transAxes, fontsize=10,
                color=FAINT, va="top",
            )  # fmt: skip
        panel.set_xscale("symlog", linthresh=0.5, base=2)
        panel.set_xticks(TICKS, [f"{tick:g}" for tick in TICKS])
        panel.minorticks_off()
        panel.set(
            title=place(dataset, network), xlabel="bits per connection, beside a seed", ylabel="test accuracy (%)",
            xlim=(0, 40),
        )  # fmt: skip
        if not part["n"].any():
            empty(panel)
    notes = [
        "Bits that tell the result apart from the random network of the same seed: log2 K of a slot machine; of a mask "
        "the entropy of the share of connections that it alters; 32 of a trained weight; of a lottery ticket its mask "
        "and 32 for each weight that is left. Marks: means with 95% t-intervals (from three seeds on); small dots: "
        "single seeds.",
        rivals_note(results.config),
        not_run(table),
    ]
    return finish(figure, results.config["recipe"], "Accuracy against the size of what is stored", table, notes)


if __name__ == "__main__":
    experiment_figure("bits", draw)
