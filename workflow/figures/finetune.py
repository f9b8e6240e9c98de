"""Slot machine, finetuned network and training from scratch at equal total epochs."""

from __future__ import annotations

from slotpipeline.analysis.cell_results import CellResult
from slotpipeline.reporting.columns import columns_figure
from slotpipeline.reporting.drawing import Drawing
from slotpipeline.reporting.figure import experiment_figure
from slotpipeline.results.read import Results


def draw(results: Results, found: list[CellResult]) -> Drawing:
    """One panel per network, one column per way of training."""
    note = "It gives none for finetuning; the others are those of its other experiments."
    return columns_figure(results, "finetune", found, "Selected weights as a starting point of training", note)


if __name__ == "__main__":
    experiment_figure("finetune", draw)
