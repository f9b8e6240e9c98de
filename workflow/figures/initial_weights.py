"""Accuracy of a rival by the distribution of its random weights."""

from __future__ import annotations

from slotmachines.methods import METHODS
from slotpipeline.analysis.cell_results import CellResult
from slotpipeline.analysis.text import network_title, number
from slotpipeline.reporting.drawing import Drawing, finish, networks_run, not_run
from slotpipeline.reporting.figure import experiment_figure, recipe_used
from slotpipeline.reporting.marks import ours
from slotpipeline.reporting.style import panels
from slotpipeline.results.read import Results
from slotpipeline.runs.authors_recipes import AUTHORS_RECIPES


def draw(results: Results, found: list[CellResult]) -> Drawing:
    """One panel per network, a row per distribution."""
    method = results.config["experiments"]["initial-weights"]["method"]
    groups = networks_run(found)
    figure, axes = panels(len(groups), columns=1, height=0.8 + 0.4 * max(len(part) for *_, part in groups))
    for panel, (dataset, network, part) in zip(axes, groups, strict=True):
        for y, one in enumerate(part):
            at_edge = number(one.mean) if one.n else "not run"
            panel.text(1.01, y, at_edge, transform=panel.get_yaxis_transform(), va="center", fontsize=10)
            if one.n:
                ours(panel, one, y, y - 0.2, label=METHODS[method].label, sideways=True)
        panel.set_yticks(range(len(part)), [one.cell.words for one in part])
        panel.set(title=network_title(dataset, network), xlabel="test accuracy (%)", ylim=(len(part) - 0.5, -0.5))
        panel.grid(axis="y", visible=False)
    notes = [
        "Kaiming: variance 2 / fan-in; Glorot: 2 / (fan-in + fan-out). Constant: all weights of a layer have the same "
        "magnitude; binary: that is 1, and the images are scaled instead. Marks: means with 95% t-intervals (from "
        "three seeds on); small dots above: single seeds.",
        not_run(found),
    ]
    return finish(figure, recipe_used(results.config, AUTHORS_RECIPES[method]), "Which random weights?", found, notes)


if __name__ == "__main__":
    experiment_figure("initial-weights", draw)
