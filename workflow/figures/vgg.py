"""A large network: slot machine, finetuned from it, and learned weights at their own and at equal epochs."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from slotpipeline.reporting.columns import columns_figure
from slotpipeline.reporting.figure import experiment_figure
from slotpipeline.reporting.tables import paper_notes
from slotpipeline.results.read import Results


def draw(results: Results, table: pd.DataFrame) -> Figure:
    """One panel per network, one column per way of training."""
    title = "A large network: selected, finetuned and learned weights"
    return columns_figure(results, "vgg", table, title, *paper_notes(table))


if __name__ == "__main__":
    experiment_figure("vgg", draw)
