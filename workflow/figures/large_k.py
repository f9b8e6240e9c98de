"""Accuracy, and the size of the selected weights, for far more options per connection than the paper tried."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import cycle
from statistics import fmean
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from slotpipeline.analysis.cell_results import CellResult, by_options
from slotpipeline.analysis.statistics import t_interval
from slotpipeline.analysis.text import network_title
from slotpipeline.experiments.many_options import LearningRate, is_best_rate
from slotpipeline.reporting.drawing import Drawing, finish, networks_run, not_run
from slotpipeline.reporting.figure import experiment_figure
from slotpipeline.reporting.marks import options_axis, options_of, papers
from slotpipeline.reporting.style import COLOURS, FAINT, INK, MARKS, panels
from slotpipeline.results.read import Results
from slotpipeline.runs.cell import Cell, Config, cell_run

RATES = (("#B87A00", "s"), ("#D55E00", "^"), ("#8C3B00", "v"), ("#4D2000", "P"))  # from the lowest to the highest
Look = tuple[Any, str, float]  # colour, mark, and what K is multiplied by so that the marks stand side by side


def looks(found: Sequence[CellResult]) -> dict[str, Look]:
    """Series -> look: the recipe, learning rates from low to high, and the score range that grows."""
    rates = {rate: words for words, rate in _rates(found).items()}
    known = {"": (COLOURS["greedy"], MARKS["greedy"])}
    known |= dict(zip([rates[rate] for rate in sorted(rates)], cycle(RATES), strict=False))
    known |= {one.cell.words: ("#AA4499", "D") for one in found if one.cell.words not in known}
    shifts = 2 ** np.linspace(-0.35, 0.35, len(known))
    return {series: (*look, shift) for (series, look), shift in zip(known.items(), shifts, strict=True)}


def _rates(found: Sequence[CellResult]) -> dict[str, float]:
    """Series -> its learning rate, of those that differ in it."""
    return {one.cell.words: one.cell.variant.rate for one in found if isinstance(one.cell.variant, LearningRate)}


def line(axes: Axes, options: Sequence[int], values: Sequence[Sequence[float]], look: Look, label: str) -> None:
    """Means and 95% intervals against K; the line breaks at a K that was not run."""
    colour, mark, shift = look
    x = np.array(options, float) * shift
    means = [fmean(few) if few else math.nan for few in values]
    axes.plot(x, means, color=colour, linewidth=1.2, alpha=0.7)
    for at, mean, few in zip(x, means, values, strict=True):
        if few:
            interval = t_interval(few) if len(few) > 2 else None
            axes.errorbar(
                at, mean, yerr=None if interval is None else mean - interval[0], color=colour, marker=mark,
                markersize=6, capsize=3, linestyle="", zorder=4, label=label,
            )  # fmt: skip


def rings(axes: Axes, found: Sequence[CellResult], series: dict[str, Look]) -> None:
    """A ring around the learning rate that is the best on validation, at every K where there are several."""
    run = [one for one in found if one.n]
    for one in run:
        if one.options is not None and is_best_rate(one, run):
            axes.plot(
                one.options * series[one.cell.words][2], one.mean, "o", markersize=13, fillstyle="none", color=INK,
                linestyle="", zorder=5, label="best learning rate on validation",
            )  # fmt: skip


def own_rates(config: Config, dataset: str, network: str, ks: list[int]) -> str:
    """The learning rates of the recipe, from the smallest K on."""
    cells = [Cell(dataset, network, "greedy", k) for k in ks]
    rates = [cell_run(config, cell, config["seeds"][0]).settings.learning_rate for cell in cells]
    changes = [
        f"from K = {k} on {rate:g}"
        for k, rate, before in zip(ks[1:], rates[1:], rates[:-1], strict=True)
        if rate != before
    ]
    return ", ".join([f"{rates[0]:g}", *changes])


def draw(results: Results, found: list[CellResult]) -> Drawing:
    """Four panels per network: accuracy above, mean abs(w) / b after the last epoch below; rates left, ranges right."""
    config = results.config
    base = config["experiments"]["large-k"]["score_range_base"]
    last = results.curves.sort_values("epoch").groupby("identity")["mean_magnitude"].last()
    groups = networks_run(found)
    figure, axes = panels(4 * len(groups), height=3.2)
    for first, (dataset, network, part) in enumerate(groups):
        ks, series = options_of(part), looks(part)
        own = own_rates(config, dataset, network, ks)
        rates = [words for words in series if not words or words in _rates(part)]
        ranges = [words for words in series if not words or words not in rates]
        for column, shown in enumerate((rates, ranges)):
            above, below = axes[4 * first + column], axes[4 * first + 2 + column]
            cells = [one for one in part if one.cell.words in shown]
            for words in shown:
                line_of = by_options(one for one in cells if one.cell.words == words)
                options = [one.options or 0 for one in line_of]
                label = words or f"the recipe (learning rate {own})"
                line(above, options, [one.accuracies for one in line_of], series[words], label)
                magnitudes = [last.reindex(one.identities).dropna().tolist() for one in line_of]
                line(below, options, magnitudes, series[words], label)
            if shown is rates:
                rings(above, cells, series)
            for one in cells:
                if one.options is not None and one.cell.variant is None:
                    papers(above, one, one.options * 2**-0.55, label="the paper")
            below.axhline(0.5, color=FAINT, linestyle="--", linewidth=1, label="a random choice")
            name = "learning rate" if shown is rates else "score range"
            for panel, title in ((above, f"{network_title(dataset, network)}: {name}"), (below, "")):
                options_axis(panel, part, title)
                panel.set_xlim(ks[0] / 2**0.9, ks[-1] * 2**0.7)
            below.set_ylabel("mean |w| / b")
        for pair in (axes[4 * first : 4 * first + 2], axes[4 * first + 2 : 4 * first + 4]):
            pair[1].sharey(pair[0])
    notes = [
        "Marks: our means with 95% t-intervals (from three seeds on), side by side around each K; hollow: the "
        "paper's mean, its bar from lowest to highest seed. The ring was picked on validation accuracy, not by what is "
        "drawn, among rates with equally many seeds. Below: w the selected weights after the last epoch, b the bound "
        "of their layer's values. Score range grows: initial scores lie within "
        f"K / {base} times that bound, which is, but for weight decay, a learning rate K / {base} times lower.",
        not_run(found),
    ]
    return finish(figure, config["recipe"], "Far more options than the paper tried", found, notes)


if __name__ == "__main__":
    experiment_figure("large-k", draw)
