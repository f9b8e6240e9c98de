"""Slot machines and learned weights beside the methods that keep, drop or flip random connections."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from slotmachines.methods import METHODS, RIVALS
from slotpipeline.analysis.cell_results import CellResult
from slotpipeline.analysis.text import DASH, network_title, number
from slotpipeline.experiments.competitors import authors_epochs
from slotpipeline.reporting.drawing import Drawing, finish, networks_run, not_run
from slotpipeline.reporting.figure import experiment_figure, rivals_note
from slotpipeline.reporting.marks import SEEDS_NOTE, ours, papers
from slotpipeline.reporting.style import FAINT, INK, panels
from slotpipeline.results.read import Results
from slotpipeline.runs.cell import Config

TICKS = (10, 50, 80, 90, 95, 97, 98, 98.5, 99, 99.5)


def row_name(found: CellResult, config: Config) -> str:
    """Tick label: the method, and for how many of the epochs that its authors gave it it is trained."""
    options = "" if found.options is None else f", K = {found.options}"
    variant = f",\n{found.cell.words}" if found.cell.variant else ""
    epochs = found.run.settings.epochs
    authors = authors_epochs(found, config)
    budget = "untrained" if not epochs else f"{epochs} epochs" if epochs == authors else f"{epochs} of {authors} epochs"
    return f"{METHODS[found.method].label}{options}{variant}\n{budget}{'' if found.n else ', not run'}"


def methods(axes: Axes, found: list[CellResult], config: Config) -> None:
    """A row per method, the most accurate first: ours above, the published number below, as numbers at the edge."""
    ordered = sorted(found, key=_place)
    for y, one in enumerate(ordered):
        edge: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "va": "center", "fontsize": 10}
        if one.n:
            ours(axes, one, y - 0.12, y - 0.26, sideways=True)
            axes.text(1.01, y - 0.16, number(one.mean), fontweight="bold", **edge)
        papers(axes, one, y + 0.14, sideways=True)
        paper = one.published_here
        axes.text(1.01, y + 0.18, number(paper.value) if paper else DASH, color=FAINT, **edge)
    axes.set_yticks(range(len(ordered)), [row_name(one, config) for one in ordered], fontsize=9)
    axes.set_ylim(len(ordered) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)


def _place(found: CellResult) -> tuple[bool, float]:
    """Those that were run by our mean, then the others by the published one."""
    paper = found.published_here
    return not found.n, -(found.mean if found.n else paper.value if paper else 0.0)


def error_axis(axes: Axes, found: list[CellResult]) -> None:
    """An axis that is logarithmic in the error: it holds random guesses and tells 98.0 from 98.2."""
    values = [value for one in found for value in one.accuracies]
    values += [one.published_here.value for one in found if one.published_here]
    ends = [end for one in found if one.n > 2 for end in one.interval or ()]
    low, high = min(values + ends), max(values + ends)
    axes.set_xscale("function", functions=(_shown, _accuracy))
    axes.set_xlim(max(low - 0.1 * (100 - low), 0), high + 0.15 * (100 - high))
    ticks = [tick for tick in TICKS if axes.get_xlim()[0] <= tick <= axes.get_xlim()[1]]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()


def _shown(accuracy: Any) -> Any:
    return -np.log10(np.maximum(100 - np.asarray(accuracy, float), 1e-3))


def _accuracy(shown: Any) -> Any:
    return 100 - 10.0 ** -np.asarray(shown, float)


def sources(found: list[CellResult]) -> list[str]:
    """Where the numbers of the rivals were read."""
    known = ((one.method, one.paper.provenance) for one in found if one.method in RIVALS and one.paper)
    return [f"Published numbers, {METHODS[method].label}: {source}." for method, source in dict.fromkeys(known)]


def draw(results: Results, found: list[CellResult]) -> Drawing:
    """One panel per network."""
    # What was neither run nor published has nothing to show.
    groups = [
        (dataset, network, [one for one in part if one.n or one.published_here])
        for dataset, network, part in networks_run(found)
    ]
    rows = [len(part) for *_, part in groups]
    figure, axes = panels(len(groups), columns=1, height=0.6 + 0.45 * max(rows), heights=rows)
    axes[0].plot([], [], "o", color=INK, label="ours (bold numbers)")
    axes[0].plot([], [], "o", color=INK, markerfacecolor="white", markeredgewidth=1.3, label="published (grey numbers)")
    for panel, (dataset, network, part) in zip(axes, groups, strict=True):
        methods(panel, part, results.config)
        error_axis(panel, part)
        panel.set(title=network_title(dataset, network), xlabel="test accuracy (%), logarithmic in the error")
    notes = [
        "Pruning, supermasks and edge-popup choose which connections of a random network to keep; flipping chooses "
        "whose sign to change; the weights of a lottery ticket are trained. Epochs: ours, and those that the authors "
        f"of the method give it where these are more. {SEEDS_NOTE} Hollow marks: the published mean, its bar from the "
        "lowest to the highest seed where known; a dash: no number is published. The most accurate stand first.",
        rivals_note(results.config),
        *sources(found),
        not_run(found),
    ]
    return finish(figure, results.config["recipe"], "Slot machines among their rivals", found, notes)


if __name__ == "__main__":
    experiment_figure("rivals", draw)
