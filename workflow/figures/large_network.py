"""A large network: slot machine, finetuned from it, and learned weights at their own and at equal epochs."""

from __future__ import annotations

from slotpipeline.analysis.cell_results import CellResult
from slotpipeline.reporting.columns import columns_figure
from slotpipeline.reporting.drawing import Drawing
from slotpipeline.reporting.figure import experiment_figure
from slotpipeline.reporting.tables import paper_notes
from slotpipeline.results.read import Results


def draw(results: Results, found: list[CellResult]) -> Drawing:
    """One panel per network, one column per way of training."""
    title = "A large network: selected, finetuned and learned weights"
    return columns_figure(results, "vgg", found, title, *paper_notes(found))


if __name__ == "__main__":
    experiment_figure("vgg", draw)
