"""The marks that several figures share: a cell's mean, interval and seeds, and the paper's number beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from slotpipeline.analysis.cell_results import CellResult, by_options
from slotpipeline.analysis.statistics import Interval
from slotpipeline.experiments.inside_a_network import SharedValues
from slotpipeline.reporting.style import COLOURS, FAINT, INK, MARKS, cap_at_hundred
from slotpipeline.reporting.tables import CHOSEN

SEEDS_NOTE = (
    "Filled marks: our mean, with its 95% t-interval from three seeds on; half-filled: a single seed; small dots: the "
    f"seeds; {CHOSEN}: this cell chose the recipe."
)
MARK_NOTE = f"{SEEDS_NOTE} Hollow marks: the paper's mean, its bar from the lowest to the highest seed."


def look(found: CellResult) -> str:
    """The key of a cell's colour and mark: that of shared values, or else that of its method."""
    variant = found.cell.variant
    return variant.within if isinstance(variant, SharedValues) else found.shown_method


def ours(
    axes: Axes, found: CellResult, x: float, seeds_at: float, label: str | None = None, sideways: bool = False
) -> None:
    """Mean and interval of one cell at `x`, its single seeds at `seeds_at`; `sideways`: these are heights."""
    colour, beside = COLOURS[look(found)], [seeds_at] * found.n
    xs, ys = (found.accuracies, beside) if sideways else (beside, found.accuracies)
    axes.scatter(xs, ys, s=13, color=colour, alpha=0.55, linewidths=0, zorder=3)
    # The interval of two seeds is some 13 standard deviations wide: it would only hide everything else.
    interval = found.interval if found.n > 2 else None
    # Half a mark for a single seed: there is no spread to judge it by.
    fill = {"fillstyle": "left", "markerfacecoloralt": "white"} if found.n == 1 else {}
    mark_at(axes, found, x, found.mean, interval, sideways, capsize=3, label=label, **fill)
    if found.is_chosen_by:
        axes.annotate(
            CHOSEN, (found.mean, x) if sideways else (x, found.mean), xytext=(4, 4 if sideways else -11),
            textcoords="offset points", fontsize=9, color=INK, zorder=5,
        )  # fmt: skip


def papers(axes: Axes, found: CellResult, x: float, label: str | None = None, sideways: bool = False) -> None:
    """The paper's mean and range of one cell, at `x`, if there is one; `sideways`: that is a height."""
    paper = found.published_here
    if paper is None:
        return
    hollow: dict[str, Any] = {"markerfacecolor": "white", "markeredgewidth": 1.3, "linewidth": 1.1}
    spread = None if paper.low is None or paper.high is None else (paper.low, paper.high)
    mark_at(axes, found, x, paper.value, spread, sideways, **hollow, label=label)


def mark_at(
    axes: Axes, found: CellResult, x: float, value: float, ends: Interval | None, sideways: bool, **more: Any
) -> None:
    """A cell's mark at `value`, with a bar between two ends if they are given."""
    bar = None if ends is None else [[value - ends[0]], [ends[1] - value]]
    places: dict[str, Any] = (
        {"x": [value], "y": [x], "xerr": bar} if sideways else {"x": [x], "y": [value], "yerr": bar}
    )
    key = look(found)
    axes.errorbar(**places, color=COLOURS[key], marker=MARKS[key], markersize=6, linestyle="", zorder=4, **more)


def band(axes: Axes, found: CellResult, label: str | None = None) -> None:
    """The mean of one cell as a line across the panel, in the band of its 95% interval."""
    colour = COLOURS[look(found)]
    axes.axhline(found.mean, color=colour, linewidth=1.4, zorder=1, label=label)
    if found.n > 2 and found.interval is not None:
        axes.axhspan(*found.interval, color=colour, alpha=0.13, linewidth=0, zorder=0)


def options_of(found: Sequence[CellResult]) -> list[int]:
    """The numbers of options K of some cells, from the smallest on."""
    return sorted({one.options for one in found if one.options is not None})


def axis_scale(options: Sequence[int]) -> float:
    """How long the log2 axis of these K is, by the length of the paper's, which has five octaves, from 2 to 64."""
    return max(1.0, math.log2(max(options) / min(options))) / 5


def options_curve(axes: Axes, found: Sequence[CellResult], shift: float = 0.0, label: str | None = None) -> None:
    """Accuracy of one method against K on a log2 axis: seeds, ours and the paper's side by side around K.

    `found` has one cell per K. `shift` keeps apart the marks of several methods; it is in octaves of the paper's axis,
    and scaled to the axis at hand. A line breaks at a K that was not run. The band is the tolerance around the paper's
    means. A method without any run is left out. `label` is the method's, if not its name.
    """
    found = by_options(found)
    if not any(one.n for one in found):
        return
    options = np.array([one.options for one in found], float)
    scale = axis_scale(options_of(found))
    left, middle, right = (2.0 ** (scale * (shift + offset)) for offset in (-0.19, -0.08, 0.1))
    colour, name = COLOURS[look(found[0])], label or found[0].method
    axes.plot(options * middle, [one.mean for one in found], color=colour, linewidth=1.3, alpha=0.7, zorder=2)
    known = [(k * right, one.published_here.value) for k, one in zip(options, found, strict=True) if one.published_here]
    axes.plot(
        [x for x, _ in known], [value for _, value in known], ":", color=colour, linewidth=1.3, alpha=0.7, zorder=2
    )
    allowed = [
        (k, one.paper.value, one.tolerance)
        for k, one in zip(options, found, strict=True)
        if one.paper is not None and one.tolerance is not None
    ]
    if allowed:
        ks, means, tolerances = (np.array(part) for part in zip(*allowed, strict=True))
        axes.fill_between(ks, means - tolerances, means + tolerances, color=colour, alpha=0.1, linewidth=0, zorder=0)
    for k, one in zip(options, found, strict=True):
        if one.n:
            ours(axes, one, k * middle, k * left, label=f"{name}, ours")
    for k, one in zip(options, found, strict=True):
        papers(axes, one, k * right, label=f"{name}, the paper")


def options_axis(axes: Axes, found: Sequence[CellResult], title: str) -> None:
    """A log2 axis with a tick at every K, and the labels of a panel."""
    options = options_of(found)
    margin = 2 ** (0.6 * axis_scale(options))
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


def empty(axes: Axes, why: str) -> None:
    """Say in the panel why there is nothing of ours to see."""
    if not axes.has_data():
        axes.set_yticks([])
    axes.text(
        0.5, 0.5, why, transform=axes.transAxes, ha="center", va="center", color=FAINT, zorder=5,
        bbox={"facecolor": "white", "edgecolor": "none"},
    )  # fmt: skip
