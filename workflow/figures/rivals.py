"""Slot machines and learned weights beside the methods that keep, drop or flip random connections."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes

from slotmachines.methods import METHODS, RIVALS
from slotpipeline.analysis.cell_results import CellResult, by_network
from slotpipeline.analysis.text import DASH, network_title, number
from slotpipeline.reporting.drawing import Drawing, finish, not_run
from slotpipeline.reporting.figure import experiment_figure, rivals_note
from slotpipeline.reporting.marks import empty, ours, papers
from slotpipeline.reporting.style import FAINT, INK, panels
from slotpipeline.results.read import Results


def row_name(found: CellResult) -> str:
    """Tick label: the method, and whether any run of ours stands behind it."""
    options = "" if found.options is None else f", K = {found.options}"
    variant = f",\n{found.cell.words}" if found.cell.variant else ""
    return f"{METHODS[found.method].label}{options}{variant}" + ("" if found.n else " (not run)")


def methods(axes: Axes, found: list[CellResult]) -> None:
    """A row per method: ours above, the published number below, both in numbers at the right edge."""
    for y, one in enumerate(found):
        edge: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "va": "center", "fontsize": 10}
        if one.n:
            ours(axes, one, y - 0.12, y - 0.26, sideways=True)
            axes.text(1.01, y - 0.16, number(one.mean), fontweight="bold", **edge)
        papers(axes, one, y + 0.14, sideways=True)
        paper = one.published_here
        axes.text(1.01, y + 0.18, number(paper.value) if paper else DASH, color=FAINT, **edge)
    axes.set_yticks(range(len(found)), [row_name(one) for one in found])
    axes.set_ylim(len(found) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)


def leave_out_random(axes: Axes, found: list[CellResult]) -> None:
    """End the axis below the least accurate of the methods that were trained, and shortly above 100."""
    trained = [value for one in found if one.method != "random" for value in one.accuracies]
    if trained:
        lowest, highest = min(trained), max(trained)
        left = lowest - 0.15 * (highest - lowest) - 0.1
        axes.set_xlim(left, min(axes.get_xlim()[1], 100 + 0.02 * (100 - left)))


def sources(found: list[CellResult]) -> list[str]:
    """Where the numbers of the rivals were read."""
    known = ((one.method, one.paper.provenance) for one in found if one.method in RIVALS and one.paper)
    return [f"Published numbers, {METHODS[method].label}: {source}." for method, source in dict.fromkeys(known)]


def draw(results: Results, found: list[CellResult]) -> Drawing:
    """One panel per network."""
    groups = by_network(found)
    most = max(len(part) for *_, part in groups)
    figure, axes = panels(len(groups), columns=1, height=0.6 + 0.45 * most)
    axes[0].plot([], [], "o", color=INK, label="ours (bold numbers)")
    axes[0].plot([], [], "o", color=INK, markerfacecolor="white", markeredgewidth=1.3, label="published (grey numbers)")
    for panel, (dataset, network, part) in zip(axes, groups, strict=True):
        methods(panel, part)
        panel.set(title=network_title(dataset, network), xlabel="test accuracy (%)")
        leave_out_random(panel, part)
        if not any(one.n or one.published_here for one in part):
            empty(panel)
    notes = [
        "Pruning, supermasks and edge-popup choose which connections of a random network to keep, flipping those whose "
        "sign to change; the weights of a lottery ticket are trained. Filled marks: our mean with its 95% t-interval "
        "(from three seeds on); small dots above: single seeds; hollow marks: the published mean, its bar from lowest "
        "to highest seed where known; a dash: none is known. Random weights lie below the axis.",
        rivals_note(results.config),
        *sources(found),
        not_run(found),
    ]
    return finish(figure, results.config["recipe"], "Slot machines among their rivals", found, notes)


if __name__ == "__main__":
    experiment_figure("rivals", draw)
