"""Which of its random values a network selected: the density of w / b, layer by layer, one line per K."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from slotpipeline.analysis.cell_results import CellResult, identities_of
from slotpipeline.analysis.text import network_title
from slotpipeline.reporting.drawing import Drawing, finish, networks_run, not_run
from slotpipeline.reporting.figure import experiment_figure
from slotpipeline.reporting.marks import empty, options_of
from slotpipeline.reporting.style import FAINT, panels, shades
from slotpipeline.results.read import Results
from slotpipeline.results.weight_histograms import BINS

EDGES = np.linspace(-1, 1, BINS + 1)
SHOWN = 4


def layers_of(counts: pd.DataFrame) -> dict[str, str]:
    """Name -> place, such as "layer 1 of 3", of the layers shown: all of them, or some from the first to the last."""

    def order(name: str) -> tuple[bool, list[str]]:
        """conv2 before conv10, and convolutions before dense layers: as in the networks."""
        parts = [part.zfill(9) if part.isdigit() else part for part in re.split(r"(\d+)", name)]
        return name.startswith("dense"), parts

    names = sorted(set(counts["layer"]), key=order)
    shown = np.linspace(0, len(names) - 1, min(SHOWN, len(names))).round().astype(int)
    return {names[i]: f"layer {i + 1} of {len(names)}" for i in shown}


def densities(axes: Axes, counts: pd.DataFrame, found: list[CellResult], colours: dict[Any, Any]) -> None:
    """The densities of one layer, means over the runs, with their mean abs(w) / b above them."""
    axes.axhline(0.5, color=FAINT, linewidth=1, linestyle="--", label="all options (uniform)")
    axes.text(0.5, 0.97, "mean |w| / b", transform=axes.transAxes, ha="center", va="top", fontsize=9, color=FAINT)
    highest = 0.5
    for line, one in enumerate(found, start=1):
        bins = counts[counts["identity"].isin(one.identities)].groupby("bin")["count"].sum()
        share = bins.reindex(range(BINS), fill_value=0).to_numpy() / bins.sum()
        colour, name = colours[one.options], f"K = {one.options}"
        axes.stairs(share * BINS / 2, EDGES, baseline=None, color=colour, linewidth=1.5, label=name)
        magnitude = share @ np.abs(EDGES[:-1] + EDGES[1:]) / 2
        axes.text(
            0.5, 0.97 - 0.085 * line, f"{name}: {magnitude:.2f}", transform=axes.transAxes, ha="center", va="top",
            fontsize=9,
        )  # fmt: skip
        highest = max(highest, share.max() * BINS / 2)
    axes.set(xlabel="w / b", xlim=(-1, 1), ylim=(0, highest * (1.15 + 0.12 * len(found))), xticks=[-1, 0, 1])
    axes.grid(axis="x", visible=False)


def draw(results: Results, found: list[CellResult]) -> Drawing:
    """One row of panels per network, one panel per layer."""
    groups = networks_run(found)
    colours = shades(options_of(found))
    counts = [results.selected[results.selected["identity"].isin(identities_of(part))] for *_, part in groups]
    layers = [layers_of(selected) for selected in counts]
    columns = max(1, *map(len, layers))
    figure, axes = panels(len(groups) * columns, columns, height=2.9)
    for (dataset, network, part), selected, names in zip(groups, counts, layers, strict=True):
        row, axes = axes[:columns], axes[columns:]
        for spare in row[max(1, len(names)) :]:
            spare.remove()
        counted = [one for one in part if set(one.identities) & set(selected["identity"])]
        for panel, (name, which) in zip(row, names.items(), strict=False):
            densities(panel, selected[selected["layer"] == name], counted, colours)
            panel.set_title(f"{name} ({which})", fontsize=10, fontweight="normal")
        row[0].set_ylabel("density")
        row[0].annotate(
            network_title(dataset, network), (0, 1), xytext=(0, 22), xycoords="axes fraction",
            textcoords="offset points", fontsize=12, fontweight="bold",
        )  # fmt: skip
        if not names:
            row[0].set_xticks([])
            empty(row[0], "weights not kept")
    notes = [
        "Selected weights w by the bound b of their layer's random values, which are spread evenly over [-b, b]: where "
        "a line lies above the dashed one, such values were selected more often than others. Weights of the epoch that "
        "was best on validation, all runs of a cell together. Each panel has its own axis of densities.",
        f"Of networks with more than {SHOWN} layers, {SHOWN} from the first to the last are shown."
        if any(len(set(selected["layer"])) > SHOWN for selected in counts) else "",
        not_run(found),
    ]  # fmt: skip
    return finish(figure, results.config["recipe"], "The weights that are selected", found, notes)


if __name__ == "__main__":
    experiment_figure("selected-weights", draw)
