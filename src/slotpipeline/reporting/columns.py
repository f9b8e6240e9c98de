"""A figure with one column per way of training: slot machine, finetuned from it, and learned weights."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from slotpipeline.experiments.grid import cells_of
from slotpipeline.reporting.marks import comparable, empty, ours, papers
from slotpipeline.reporting.style import FAINT, cap_at_hundred, finish, not_run, panels, place
from slotpipeline.reporting.tables import by_network, kind, number, rows_of
from slotpipeline.results.read import Results
from slotpipeline.runs.cell import cell_run


def with_planned_epochs(results: Results, experiment: str, table: pd.DataFrame) -> pd.DataFrame:
    """The table of an experiment with the epochs of its cells also where they have no runs yet."""
    config = results.config
    runs = [cell_run(config, cell, config["seeds"][0]) for cell in cells_of(config, experiment)]
    return table.assign(epochs=[run.settings.epochs for run in runs])


def column_name(row: Any) -> str:
    """Tick label: the method, and for how many epochs it is trained in total."""
    label = {"finetuned": "finetuned,", "greedy": "slot machine,", "learned": "learned from"}[kind(row)]
    return f"{label}\n{'scratch' if pd.isna(row.options) else f'K = {row.options}'}\n{row.epochs} epochs"


def columns(axes: Axes, table: pd.DataFrame) -> None:
    """A column per row of a table, ours with its mean as a number and the paper's number beside it."""
    published = set(comparable(table).index)
    for x, row in enumerate(rows_of(table)):
        if row.n:
            ours(axes, row, x, x - 0.1)
            axes.annotate(
                number(row.mean), (x - 0.1, row.mean), xytext=(-6, 0), textcoords="offset points", ha="right",
                va="center", fontsize=10, color=FAINT,
            )  # fmt: skip
        elif table["n"].any():
            axes.text(x, 0.02, "not run", transform=axes.get_xaxis_transform(), ha="center", color=FAINT, fontsize=10)
        if row.Index in published:
            papers(axes, row, x + 0.17)
    axes.set_xlim(-0.7, len(table) - 0.4)
    axes.set_xticks(range(len(table)), [column_name(row) for row in rows_of(table)], fontsize=10)
    axes.grid(axis="x", visible=False)
    cap_at_hundred(axes)


def columns_figure(results: Results, experiment: str, table: pd.DataFrame, title: str, *notes: str) -> Figure:
    """One panel of columns per network; `notes` end the caption."""
    groups = by_network(with_planned_epochs(results, experiment, table))
    figure, axes = panels(len(groups))
    for panel, (dataset, network, part) in zip(axes, groups, strict=True):
        columns(panel, part)
        panel.set(title=place(dataset, network), ylabel="test accuracy (%)")
        if not part["n"].any():
            empty(panel)
    caption = [
        "Finetuned: ordinary training from the weights that a slot machine had selected after "
        f"{results.config['experiments'][experiment]['start_epoch']} epochs, which count. Filled marks and the numbers "
        "beside them: means, with 95% t-intervals (from three seeds on); small dots: single seeds; hollow: the "
        "paper's mean, with its range over the seeds where that is known.",
        *notes,
        not_run(table),
    ]
    return finish(figure, results.config["recipe"], title, table, caption)
