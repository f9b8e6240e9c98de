"""Recipes taken apart: what each of their differences is worth, and how accurate each recipe is as a whole."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes

from slotpipeline.analysis.cell_results import CellResult, identities_of
from slotpipeline.analysis.comparisons import Comparison
from slotpipeline.analysis.text import network_title, number
from slotpipeline.experiments.grid import seeds_of
from slotpipeline.experiments.outcomes import comparisons
from slotpipeline.experiments.recipe_comparison import AsSlotMachine, base_of, factors_of, mixed_pairs, same_network
from slotpipeline.reporting.drawing import Drawing, finish, networks_run, nothing_run
from slotpipeline.reporting.figure import experiment_figure
from slotpipeline.reporting.marks import ours
from slotpipeline.reporting.style import FAINT, INK, panels
from slotpipeline.results.read import Results
from slotpipeline.runs.cell import Cell, cell_run
from slotpipeline.runs.recipe import recipe_name

TITLE = "Recipes, one difference at a time"
MARKS = (("#D55E00", "s"), ("#009E73", "^"), ("#0072B2", "o"), ("#CC79A7", "D"))  # colour and mark of each recipe


def axis_end(compared: list[Comparison]) -> float:
    """Half the width of the axis: room for the differences that are not more than ten times the median one.

    Their intervals have room up to four times the largest of these differences.
    """
    sizes = np.abs([one.difference.mean for one in compared])
    usual = sizes <= 10 * max(np.median(sizes), 0.1)
    edges = [np.abs(one.difference.interval or one.difference.mean).max() for one in compared]
    return 1.1 * float(max(0.1, min(np.max(np.array(edges)[usual]), 4 * sizes[usual].max())))


def row_of(one: CellResult) -> str:
    """The row that shows what a cell takes from elsewhere; blank for a recipe as it is."""
    return ", ".join(factors_of(one)) + (" of its slot machines" if isinstance(one.cell.variant, AsSlotMachine) else "")


def differences(axes: Axes, compared: list[Comparison], part: list[CellResult], pairs: list[tuple[str, str]]) -> None:
    """A row per factor, a mark per recipe; a difference beyond the axis is an arrow with its number.

    Args:
        part: the cells of one network and K.
        pairs: each recipe of the study, and the one that it takes factors from.
    """
    factors, planned = rows_of(part), {(base_of(one), row_of(one)) for one in part}
    end = axis_end(compared) if compared else 1.0
    axes.axvline(0, color=INK, linewidth=1, zorder=1)
    for place, ((colour, mark), (base, other)) in enumerate(zip(cycle(MARKS), pairs, strict=False)):
        shift = 0.3 * (place - (len(pairs) - 1) / 2) * min(1, 2 / len(pairs))
        by_factor = {row_of(one.first): one.difference for one in compared if base_of(one.first) == base}
        for y, name in enumerate(factors):
            if name not in by_factor:
                is_missing = compared and (base, name) in planned
                axes.text(0, y + shift, "  not run" if is_missing else "", fontsize=9, va="center", color=colour)
                continue
            mean, interval = by_factor[name].mean, by_factor[name].interval
            side = np.sign(mean)
            if abs(mean) <= end:
                axes.errorbar(
                    mean, y + shift, xerr=None if interval is None else mean - interval[0], color=colour, marker=mark,
                    capsize=3, linestyle="", label=f"recipe {recipe_name(base)} takes it from {recipe_name(other)}",
                )  # fmt: skip
            else:
                axes.plot(side * end, y + shift, ">" if side > 0 else "<", color=colour, clip_on=False, zorder=4)
                axes.annotate(
                    number(mean, "+.1f"), (side * end, y + shift), xytext=(-8 * side, 0), textcoords="offset points",
                    ha="right" if side > 0 else "left", va="center", fontsize=10, color=colour,
                )  # fmt: skip
    axes.set(xlim=(-end, end), ylim=(len(factors) - 0.5, -0.5), xlabel="difference in test accuracy (points)")
    names = [name.replace(", ", " and\n").replace(" of its", "\nof its") for name in factors]
    axes.set_yticks(range(len(factors)), names)


def rows_of(part: list[CellResult]) -> list[str]:
    """The rows of the differences of some cells."""
    return list(dict.fromkeys(row_of(one) for one in part if factors_of(one)))


def levels(axes: Axes, whole: Mapping[str, CellResult]) -> None:
    """The accuracies of whole recipes, with the paper's as a line in the band of its tolerance."""
    for y, one in enumerate(whole.values()):
        at_edge = number(one.mean) if one.n else "not run"
        axes.text(1.01, y, at_edge, transform=axes.get_yaxis_transform(), va="center", fontsize=10)
        if one.n:
            ours(axes, one, y, y - 0.17, sideways=True)
    first = next(iter(whole.values()))
    if first.paper is not None and first.tolerance is not None:
        low, high = first.paper.value - first.tolerance, first.paper.value + first.tolerance
        axes.axvspan(low, high, color=FAINT, alpha=0.15, linewidth=0, zorder=0, label="the paper's, ± tolerance")
        axes.axvline(first.paper.value, color=FAINT, linestyle=":", linewidth=1.4, zorder=1)
    axes.set_yticks(range(len(whole)), [f"recipe {name}" for name in whole])
    axes.set(ylim=(len(whole) - 0.5, -0.5), xlabel="test accuracy (%)")


def draw(results: Results, found: list[CellResult]) -> Drawing:
    """Two panels per network and K: differences, and the recipes as they are."""
    seeds = seeds_of(results.config, "recipe-study")
    recipes = results.config["experiments"]["recipe-study"]["recipes"]
    parts = [
        [one for one in part if same_network(one, first)] for *_, part in networks_run(found) for first in _first(part)
    ]
    # One cell alone is that of the grid's own recipe, and other figures show it.
    parts = [part for part in parts if len({one.identities for one in part if one.n}) > 1]
    if not parts:
        return nothing_run(TITLE)
    compared = comparisons("recipe-study", found)
    most = max(len(rows_of(part)) + 1 for part in parts)
    figure, axes = panels(2 * len(parts), height=0.8 + 0.42 * most)
    for left, right, part in zip(axes[::2], axes[1::2], parts, strict=True):
        here = [one for one in compared if any(one.first is other for other in part)]
        differences(left, here, part, mixed_pairs(recipes))
        whole = {one.cell.words: one for one in part if not factors_of(one)}
        own = Cell(part[0].dataset, part[0].network, part[0].method, part[0].options)
        of_grid = {cell_run(results.config, own, seed).identity for seed in seeds}
        same = [one for one in part if of_grid & identities_of([one])]
        if same := sorted(same, key=lambda one: len(factors_of(one))):  # the recipe itself, or one that comes to it
            whole = {name: one for name, one in whole.items() if one is not same[0]}
            whole[f"{recipe_name(results.config['recipe'])}\n(of this grid)"] = same[0]
        levels(right, whole)
        left.set_visible(bool(here))
        what = "learned weights" if own.options is None else f"K = {own.options}"
        (left if here else right).set_title(f"{network_title(own.dataset, own.network)}, {what}")
        for panel in (left, right):
            panel.grid(axis="y", visible=False)
    notes = [
        "Left: the setting of the row is taken from another recipe, all others stay; the difference is that to the "
        "recipe as it is, paired by seed, with its 95% t-interval (none for a single seed; where it has no cap, it "
        "goes on beyond the axis). Arrows with a number: differences beyond the axis. Right: the recipes as they "
        "are, means with 95% t-intervals; small dots above: single seeds; dotted line: the paper's mean.",
    ]
    names = [recipe_name(recipe) for recipe in recipes]
    return finish(figure, f"{', '.join(names[:-1])} and {names[-1]}", TITLE, found, notes)


def _first(found: list[CellResult]) -> list[CellResult]:
    """The first cell of each K, from the smallest on, and of learned weights."""
    firsts: dict[int, CellResult] = {}
    for one in found:
        firsts.setdefault(one.options or 0, one)
    return [firsts[options] for options in sorted(firsts, key=lambda options: options or math.inf)]


if __name__ == "__main__":
    experiment_figure("recipe-study", draw)
