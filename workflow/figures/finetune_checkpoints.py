"""Final accuracy against the epoch at which a slot machine hands over to ordinary training, at equal total epochs."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from slotpipeline.reporting.columns import with_planned_epochs
from slotpipeline.reporting.figure import experiment_figure
from slotpipeline.reporting.marks import MARK_NOTE, band, comparable, empty, ours, papers
from slotpipeline.reporting.style import COLOURS, cap_at_hundred, finish, not_run, panels, place
from slotpipeline.reporting.tables import by_network, kind, rows_of
from slotpipeline.results.read import Results

NAMES = {"learned": "trained from scratch", "finetuned": "finetuned", "greedy": "slot machine, never finetuned"}


def groups_of(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Title and rows of every panel: one per network and K, with training from scratch in each."""
    for dataset, network, part in by_network(table):
        for options in part["options"].dropna().unique():
            yield f"{place(dataset, network)}, K = {options}", part[part["options"].fillna(options) == options]


def checkpoints(axes: Axes, table: pd.DataFrame) -> None:
    """Training from scratch at epoch 0, the slot machine alone at its last epoch, what is finetuned between them."""
    total = int(table["epochs"].max())
    starts = table["start_epoch"].mask(table["method"] == "learned", 0).fillna(total).astype(int)
    table = table.assign(start=starts).sort_values("start")
    published = set(comparable(table).index)
    between = table[table["start_epoch"].notna()]
    axes.plot(between["start"], between["mean"], color=COLOURS["finetuned"], linewidth=1.3, alpha=0.7, zorder=2)
    for row in rows_of(table):
        if row.n:
            ours(axes, row, row.start, row.start - total / 55, label=NAMES[kind(row)])
            if kind(row) != "finetuned":
                band(axes, row)
        if row.Index in published:
            papers(axes, row, row.start + total / 40)
    every = math.ceil(len(between) / 6)
    ticks = [start for start in between["start"].iloc[every - 1 :: every] if total / 10 < start < total * 0.9]
    axes.set_xlim(-total * 0.06, total * 1.06)
    axes.set_xticks([0, *ticks, total], ["0\n(scratch)", *map(str, ticks), f"{total}\n(never)"], fontsize=10)


def draw(results: Results, table: pd.DataFrame) -> Figure:
    """One panel per network and K."""
    groups = list(groups_of(with_planned_epochs(results, "finetune-checkpoints", table)))
    figure, axes = panels(len(groups))
    for panel, (title, part) in zip(axes, groups, strict=True):
        checkpoints(panel, part)
        panel.set(title=title, xlabel="epoch at which finetuning starts", ylabel="final test accuracy (%)")
        cap_at_hundred(panel)
        if not part["n"].any():
            empty(panel)
    notes = [
        "All networks of a panel are trained for equally many epochs in total: up to the epoch on the x axis by "
        "choosing among fixed random values (a slot machine), from there on by ordinary training of the selected "
        "weights.",
        f"{MARK_NOTE} Lines with bands: mean and interval of the two ends, across the panel.",
        not_run(table),
    ]
    return finish(figure, results.config["recipe"], "When to stop selecting and start finetuning", table, notes)


if __name__ == "__main__":
    experiment_figure("finetune-checkpoints", draw)
