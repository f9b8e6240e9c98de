"""Two recipes taken apart: what each of their differences is worth, and how accurate each recipe is as a whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from slotpipeline.analysis.comparisons import Comparison, comparisons
from slotpipeline.experiments.grid import seeds_of
from slotpipeline.reporting.figure import experiment_figure
from slotpipeline.reporting.marks import comparable, empty, ours
from slotpipeline.reporting.style import FAINT, INK, finish, panels, place
from slotpipeline.reporting.tables import by_network, number, rows_of
from slotpipeline.results.read import Results
from slotpipeline.runs.cell import Cell, cell_run
from slotpipeline.runs.recipe import recipe_name

DIRECTIONS = (("#D55E00", "s", -0.15), ("#009E73", "^", 0.15))  # colour, mark and place in the row


def factor(row: Any) -> str:
    """What a variant such as "paper + code's value bound" takes from the other recipe; blank for a recipe as it is."""
    return str(row.variant).partition(" + ")[2].partition("'s ")[2]


def axis_end(found: list[Comparison]) -> float:
    """Half the width of the axis: room for the differences that are not more than ten times the median one.

    Their intervals have room up to four times the largest of these differences.
    """
    sizes = np.abs([one.difference.mean for one in found])
    usual = sizes <= 10 * max(np.median(sizes), 0.1)
    edges = [np.abs(one.difference.interval or one.difference.mean).max() for one in found]
    return 1.1 * float(max(0.1, min(np.max(np.array(edges)[usual]), 4 * sizes[usual].max())))


def differences(axes: Axes, found: list[Comparison], factors: list[str], recipes: list[str]) -> None:
    """A row per factor, a mark per direction; a difference beyond the axis is an arrow with its number."""
    end = axis_end(found) if found else 1.0
    axes.axvline(0, color=INK, linewidth=1, zorder=1)
    for (colour, mark, shift), base, other in zip(DIRECTIONS, recipes, recipes[::-1], strict=True):
        by_factor = {factor(one.first): one.difference for one in found if one.second.variant == base}
        for y, name in enumerate(factors):
            if name not in by_factor:
                axes.text(0, y + shift, "  not run" if found else "", fontsize=9, va="center", color=colour)
                continue
            mean, interval = by_factor[name].mean, by_factor[name].interval
            side = np.sign(mean)
            if abs(mean) <= end:
                axes.errorbar(
                    mean, y + shift, xerr=None if interval is None else mean - interval[0], color=colour, marker=mark,
                    capsize=3, linestyle="", label=f"recipe {base} takes it from {other}",
                )  # fmt: skip
            else:
                axes.plot(side * end, y + shift, ">" if side > 0 else "<", color=colour, clip_on=False, zorder=4)
                axes.annotate(
                    number(mean, "+.1f"), (side * end, y + shift), xytext=(-8 * side, 0), textcoords="offset points",
                    ha="right" if side > 0 else "left", va="center", fontsize=10, color=colour,
                )  # fmt: skip
    axes.set(xlim=(-end, end), ylim=(len(factors) - 0.5, -0.5), xlabel="difference in test accuracy (points)")
    axes.set_yticks(range(len(factors)), [name.replace(", ", " and\n") for name in factors])


def levels(axes: Axes, rows: dict[str, Any]) -> None:
    """The accuracies of whole recipes, with the paper's as a line in the band of its tolerance."""
    for y, row in enumerate(rows.values()):
        at_edge = number(row.mean) if row.n else "not run"
        axes.text(1.01, y, at_edge, transform=axes.get_yaxis_transform(), va="center", fontsize=10)
        if row.n:
            ours(axes, row, y, y - 0.17, sideways=True)
    for row in rows_of(comparable(pd.DataFrame(list(rows.values())[:1]))):
        low, high = row.paper_value - row.tolerance, row.paper_value + row.tolerance
        axes.axvspan(low, high, color=FAINT, alpha=0.15, linewidth=0, zorder=0, label="the paper's, ± tolerance")
        axes.axvline(row.paper_value, color=FAINT, linestyle=":", linewidth=1.4, zorder=1)
    axes.set_yticks(range(len(rows)), [f"recipe {name}" for name in rows])
    axes.set(ylim=(len(rows) - 0.5, -0.5), xlabel="test accuracy (%)")


def draw(results: Results, table: pd.DataFrame) -> Figure:
    """Two panels per network and K: differences, and the recipes as they are."""
    seeds = seeds_of(results.config, "recipe-study")
    recipes = [recipe_name(recipe) for recipe in results.config["experiments"]["recipe-study"]["recipes"]]
    parts = [part[part["options"] == k] for *_, part in by_network(table) for k in sorted(set(part["options"]))]
    found = comparisons("recipe-study", table)
    most = max(len(set(part["variant"])) / 2 for part in parts)
    figure, axes = panels(2 * len(parts), height=0.8 + 0.42 * most)
    for left, right, part in zip(axes[::2], axes[1::2], parts, strict=True):
        rows = rows_of(part)
        here = [one for one in found if one.first.Index in part.index]
        differences(left, here, list(dict.fromkeys(filter(None, map(factor, rows)))), recipes)
        whole = {row.variant: row for row in rows if row.variant in recipes}
        own = Cell(rows[0].dataset, rows[0].network, "greedy", int(rows[0].options))
        of_grid = {cell_run(results.config, own, seed).identity for seed in seeds}
        if same := [row for row in rows if of_grid & set(row.identities)]:
            whole[f"{recipe_name(results.config['recipe'])}\n(of this grid)"] = same[0]
        levels(right, whole)
        left.set_title(f"{place(own.dataset, own.network)}, K = {own.options}")
        for panel, anything in ((left, here), (right, any(row.n for row in whole.values()))):
            panel.grid(axis="y", visible=False)
            if not anything:
                empty(panel)
    notes = [
        "Left: the setting of the row is taken from the other recipe, all others stay; the difference is that to the "
        "recipe as it is, paired by seed, with its 95% t-interval (none for a single seed; where it has no cap, it "
        "goes on beyond the axis). Arrows with a number: differences beyond the axis. Right: the recipes as they "
        "are, means with 95% t-intervals; small dots above: single seeds; dotted line: the paper's mean.",
    ]
    return finish(figure, " and ".join(recipes), "Two recipes, one difference at a time", table, notes)


if __name__ == "__main__":
    experiment_figure("recipe-study", draw)
