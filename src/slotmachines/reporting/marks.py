"""The marks that several figures share: a cell's mean, interval and seeds, and the paper's number beside them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from slotmachines.reporting.style import COLOURS, FAINT, MARKS, cap_at_hundred
from slotmachines.reporting.table import kind, rows_of

MARK_NOTE = (
    "Filled marks: our mean with its 95% t-interval (none for a single seed); small dots beside: single seeds; "
    "hollow marks: the paper's mean, its bar from lowest to highest seed."
)


def comparable(table: pd.DataFrame) -> pd.DataFrame:
    """The rows whose published number belongs to the same dataset."""
    return table[table["paper_dataset"] == table["dataset"]]


def ours(axes: Axes, row: Any, x: float, seeds_at: float, label: str | None = None) -> None:
    """Mean and interval of one cell at `x`, its single seeds at `seeds_at`."""
    colour = COLOURS[kind(row)]
    axes.scatter([seeds_at] * row.n, row.accuracies, s=13, color=colour, alpha=0.55, linewidths=0, zorder=3)
    half = None if pd.isna(row.low) else [[row.mean - row.low], [row.high - row.mean]]
    axes.errorbar(
        [x], [row.mean], yerr=half, color=colour, marker=MARKS[kind(row)], markersize=6, capsize=3, linestyle="",
        zorder=4, label=label,
    )  # fmt: skip


def papers(axes: Axes, row: Any, x: float, label: str | None = None) -> None:
    """The paper's mean and range of one cell, at `x`."""
    span = None
    if not pd.isna(row.paper_low):
        span = [[row.paper_value - row.paper_low], [row.paper_high - row.paper_value]]
    axes.errorbar(
        [x], [row.paper_value], yerr=span, color=COLOURS[kind(row)], marker=MARKS[kind(row)], markersize=6,
        markerfacecolor="white", markeredgewidth=1.3, linewidth=1.1, linestyle="", zorder=4, label=label,
    )  # fmt: skip


def options_curve(axes: Axes, table: pd.DataFrame, method: str, shift: float = 0.0) -> None:
    """Accuracy of one method against K on a log2 axis: seeds, ours and the paper's side by side around K.

    `shift` keeps apart the marks of several methods; it is in octaves of the paper's axis (five, from 2 to 64), and
    scaled to the axis at hand. A line breaks at a K that was not run.
    """
    rows = table[table["method"] == method].sort_values("options")
    options = rows["options"].astype(float)
    scale = max(1.0, np.log2(options.max() / options.min())) / 5
    left, middle, right = (2.0 ** (scale * (shift + offset)) for offset in (-0.19, -0.08, 0.1))
    published = comparable(rows)
    axes.plot(options * middle, rows["mean"], color=COLOURS[method], linewidth=1.3, alpha=0.7, zorder=2)
    axes.plot(
        published["options"].astype(float) * right, published["paper_value"], ":", color=COLOURS[method], linewidth=1.3,
        alpha=0.7, zorder=2,
    )  # fmt: skip
    for row in rows_of(rows[rows["n"] > 0]):
        ours(axes, row, row.options * middle, row.options * left, label=f"{method}, ours")
    for row in rows_of(published):
        papers(axes, row, row.options * right, label=f"{method}, the paper")


def options_axis(axes: Axes, table: pd.DataFrame, title: str) -> None:
    """A log2 axis with a tick at every K, and the labels of a panel."""
    options = sorted({int(value) for value in table["options"].dropna()})
    axes.set_xscale("log", base=2)
    axes.set_xlim(options[0] / 2**0.6, options[-1] * 2**0.6)
    axes.set_xticks(options, [str(value) for value in options])
    axes.minorticks_off()
    axes.set(title=title, xlabel="options per connection, K", ylabel="test accuracy (%)")
    cap_at_hundred(axes)


def empty(axes: Axes) -> None:
    """Say in the panel that there is nothing of ours to see yet."""
    if not axes.has_data():
        axes.set_yticks([])
    axes.text(0.5, 0.5, "not run yet", transform=axes.transAxes, ha="center", va="center", color=FAINT)
