"""Validation accuracy of learned weights by learning rate, weight decay and schedule."""

from __future__ import annotations

from slotpipeline.analysis.cell_results import CellResult
from slotpipeline.analysis.text import network_title
from slotpipeline.reporting.drawing import Drawing, finish, networks_run, not_run
from slotpipeline.reporting.figure import experiment_figure
from slotpipeline.reporting.marks import ours
from slotpipeline.reporting.style import INK, panels
from slotpipeline.results.read import Results


def draw(results: Results, found: list[CellResult]) -> Drawing:
    """One panel per network, one row per setting, the best on validation first."""
    groups = networks_run(found)
    figure, axes = panels(len(groups), columns=1, height=1.2 + 0.35 * max(len(part) for *_, part in groups))
    for panel, (dataset, network, part) in zip(axes, groups, strict=True):
        ranked = sorted(part, key=lambda one: (not one.n, -one.validation if one.n else 0.0))
        rows = list(range(len(ranked)))
        panel.plot([one.validation for one in ranked], rows, "D", color=INK, markersize=5, label="validation")
        for row, one in enumerate(ranked):
            if one.n:
                ours(panel, one, row, row + 0.25, label="test", sideways=True)
        panel.set_yticks(rows, [one.cell.words for one in ranked])
        panel.set(title=network_title(dataset, network), xlabel="mean accuracy (%)", ylim=(len(ranked) - 0.5, -0.5))
    notes = [
        "Diamonds: mean validation accuracy, by which the settings are chosen. Other marks: test accuracy with its 95% "
        "t-interval (from three seeds on; half-filled: a single seed), which decides nothing; small dots: the seeds.",
        not_run(found),
    ]
    return finish(figure, results.config["recipe"], "Settings for learned weights", found, notes)


if __name__ == "__main__":
    experiment_figure("tuning", draw)
