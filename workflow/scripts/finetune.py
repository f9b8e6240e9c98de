"""Slot machine, finetuned network and training from scratch at equal total epochs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from slotmachines.reporting.figure import experiment_figure
from slotmachines.reporting.marks import comparable, empty, ours, papers
from slotmachines.reporting.style import FAINT, cap_at_hundred, finish, not_run, panels, place
from slotmachines.reporting.table import by_network, kind, number, rows_of


def name(row: Any) -> str:
    """Tick label: the method, and for how many epochs it was trained."""
    label = {"finetuned": "finetuned,", "greedy": "slot machine,", "learned": "learned from"}[kind(row)]
    epochs = "not run" if pd.isna(row.epochs) else f"{row.epochs} epochs"
    return f"{label}\n{'scratch' if pd.isna(row.options) else f'K = {row.options}'}\n{epochs}"


def draw(config: Mapping[str, Any], table: pd.DataFrame) -> Figure:
    """One panel per network, one column per method."""
    groups = by_network(table)
    figure, axes = panels(len(groups))
    for panel, (dataset, network, part) in zip(axes, groups, strict=True):
        published = set(comparable(part).index)
        for x, row in enumerate(rows_of(part)):
            if row.n:
                ours(panel, row, x, x - 0.1)
                panel.annotate(
                    number(row.mean), (x - 0.1, row.mean), xytext=(-6, 0), textcoords="offset points", ha="right",
                    va="center", fontsize=10, color=FAINT,
                )  # fmt: skip
            if row.Index in published and row.n:
                papers(panel, row, x + 0.17)
        panel.set_xlim(-0.7, len(part) - 0.4)
        panel.set_xticks(range(len(part)), [name(row) for row in rows_of(part)], fontsize=10)
        panel.grid(axis="x", visible=False)
        panel.set(title=place(dataset, network), ylabel="test accuracy (%)")
        cap_at_hundred(panel)
        if not part["n"].any():
            empty(panel)
    start = config["experiments"]["finetune"]["start_epoch"]
    notes = [
        f"Finetuned: ordinary training from the weights that a slot machine had selected after {start} epochs, which "
        "count. Marks: means with 95% t-intervals (none for a single seed); small dots beside: single seeds; hollow: "
        "the paper's mean from its sweep over K, with its range.",
        not_run(table),
    ]
    return finish(figure, config, "Selected weights as a starting point of training", table, notes)


if __name__ == "__main__":
    experiment_figure("finetune", draw)
