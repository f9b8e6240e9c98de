"""The marks that several figures share: a cell's mean, interval and seeds, and the paper's number beside them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from slotpipeline.reporting.style import COLOURS, FAINT, MARKS, cap_at_hundred
from slotpipeline.reporting.tables import kind, rows_of

MARK_NOTE = (
    "Filled marks: our mean with its 95% t-interval (from three seeds on); small dots beside: single seeds; "
    "hollow marks: the paper's mean, its bar from lowest to highest seed."
)


def comparable(table: pd.DataFrame) -> pd.DataFrame:
    """The rows whose published number belongs to the same dataset."""
    return table[table["paper_dataset"] == table["dataset"]]


def look(row: Any) -> str:
    """The key of a cell's colour and mark: its variant's where that has one, its method's otherwise."""
    return row.variant if row.variant in COLOURS else kind(row)


def ours(axes: Axes, row: Any, x: float, seeds_at: float, label: str | None = None, sideways: bool = False) -> None:
    """Mean and interval of one cell at `x`, its single seeds at `seeds_at`; `sideways`: these are heights."""
    colour, beside = COLOURS[look(row)], [seeds_at] * row.n
    xs, ys = (row.accuracies, beside) if sideways else (beside, row.accuracies)
    axes.scatter(xs, ys, s=13, color=colour, alpha=0.55, linewidths=0, zorder=3)
    # The interval of two seeds is some 13 standard deviations wide: it would only hide everything else.
    low, high = (row.low, row.high) if row.n > 2 else (float("nan"), float("nan"))
    mark_at(axes, row, x, row.mean, low, high, sideways, capsize=3, label=label)


def papers(axes: Axes, row: Any, x: float, label: str | None = None, sideways: bool = False) -> None:
    """The paper's mean and range of one cell, at `x`; `sideways`: that is a height."""
    hollow: dict[str, Any] = {"markerfacecolor": "white", "markeredgewidth": 1.3, "linewidth": 1.1}
    mark_at(axes, row, x, row.paper_value, row.paper_low, row.paper_high, sideways, **hollow, label=label)


def mark_at(axes: Axes, row: Any, x: float, value: float, low: float, high: float, sideways: bool, **more: Any) -> None:
    """A cell's mark at `value` with a bar from `low` to `high`, or none where they are missing."""
    bar = None if pd.isna(low) else [[value - low], [high - value]]
    places: dict[str, Any] = (
        {"x": [value], "y": [x], "xerr": bar} if sideways else {"x": [x], "y": [value], "yerr": bar}
    )
    key = look(row)
    axes.errorbar(**places, color=COLOURS[key], marker=MARKS[key], markersize=6, linestyle="", zorder=4, **more)


def band(axes: Axes, row: Any, label: str | None = None) -> None:
    """The mean of one cell as a line across the panel, in the band of its 95% interval."""
    colour = COLOURS[look(row)]
    axes.axhline(row.mean, color=colour, linewidth=1.4, zorder=1, label=label)
    if row.n > 2:
        axes.axhspan(row.low, row.high, color=colour, alpha=0.13, linewidth=0, zorder=0)


def axis_scale(options: pd.Series[float]) -> float:
    """How long the log2 axis of these K is, by the length of the paper's, which has five octaves, from 2 to 64."""
    return float(max(1.0, np.log2(options.max() / options.min())) / 5)


def options_curve(axes: Axes, table: pd.DataFrame, method: str, shift: float = 0.0, label: str | None = None) -> None:
    """Accuracy of one method against K on a log2 axis: seeds, ours and the paper's side by side around K.

    `table` has one row of the method per K. `shift` keeps apart the marks of several methods; it is in octaves of the
    paper's axis, and scaled to the axis at hand. A line breaks at a K that was not run. `label` is the method's, if not
    its name.
    """
    rows = table[table["method"] == method].sort_values("options")
    options = rows["options"].astype(float)
    scale = axis_scale(options)
    left, middle, right = (2.0 ** (scale * (shift + offset)) for offset in (-0.19, -0.08, 0.1))
    published = comparable(rows)
    colour, name = COLOURS[look(rows_of(rows)[0])], label or method
    axes.plot(options * middle, rows["mean"], color=colour, linewidth=1.3, alpha=0.7, zorder=2)
    axes.plot(
        published["options"].astype(float) * right, published["paper_value"], ":", color=colour, linewidth=1.3,
        alpha=0.7, zorder=2,
    )  # fmt: skip
    for row in rows_of(rows[rows["n"] > 0]):
        ours(axes, row, row.options * middle, row.options * left, label=f"{name}, ours")
    for row in rows_of(published):
        papers(axes, row, row.options * right, label=f"{name}, the paper")


def options_axis(axes: Axes, table: pd.DataFrame, title: str) -> None:
    """A log2 axis with a tick at every K, and the labels of a panel."""
    options = sorted({int(value) for value in table["options"].dropna()})
    margin = 2 ** (0.6 * axis_scale(pd.Series(options, dtype=float)))
    axes.set_xscale("log", base=2)
    axes.set_xlim(options[0] / margin, options[-1] * margin)
    axes.set_xticks(options, [str(value) for value in options])
    axes.minorticks_off()
    axes.set(title=title, xlabel="options per connection, K", ylabel="test accuracy (%)")
    cap_at_hundred(axes)


def curve(
    axes: Axes, rows: pd.DataFrame, column: str, colour: Any, label: str, style: str = "-", per_epoch: float = 1.0
) -> None:
    """A column of a cell's curves: mean over the seeds, in the band from lowest to highest seed.

    The x axis counts epochs, or what `per_epoch` times as many of them are.
    """
    epochs = rows.groupby("epoch")[column]
    mean = epochs.mean()
    x = mean.index.to_numpy(float) * per_epoch
    axes.fill_between(x, epochs.min(), epochs.max(), color=colour, alpha=0.18, linewidth=0)
    axes.plot(x, mean, style, color=colour, linewidth=1.4, label=label)


def zoom(axes: Axes, rows: pd.DataFrame, column: str) -> None:
    """Leave the steep start of curves of accuracy below the axis, so that fractions of a point can be seen after it."""
    late = rows.loc[rows["epoch"] > rows["epoch"].max() / 8, column].dropna()
    if late.empty:
        return
    low, high = late.quantile(0.03), rows[column].max()
    margin = max(0.06 * (high - low), 0.05)
    axes.set_ylim(low - margin, high + margin)


def empty(axes: Axes, why: str = "not run yet") -> None:
    """Say in the panel why there is nothing of ours to see."""
    if not axes.has_data():
        axes.set_yticks([])
    axes.text(
        0.5, 0.5, why, transform=axes.transAxes, ha="center", va="center", color=FAINT, zorder=5,
        bbox={"facecolor": "white", "edgecolor": "none"},
    )  # fmt: skip
