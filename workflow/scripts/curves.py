"""Validation accuracy per epoch: one panel per network and selection rule, one line per K."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from slotmachines.command import ConfigFile, CurvesFile, PictureFile, RunsFile, run
from slotmachines.replication.config import read_config
from slotmachines.replication.grid import cells_of
from slotmachines.replication.recipe import recipe_name
from slotmachines.reporting.marks import empty
from slotmachines.reporting.results import read_curves, read_runs
from slotmachines.reporting.style import COLOURS, INK, LOOK, finish, panels, place, save
from slotmachines.reporting.table import CELL


def line(axes: Axes, part: pd.DataFrame, colour: Any, label: str, style: str = "-") -> None:
    """Mean over the seeds of a cell, in the band from lowest to highest seed."""
    epochs = part.groupby("epoch")["val_accuracy"]
    mean = epochs.mean()
    axes.fill_between(mean.index, epochs.min(), epochs.max(), color=colour, alpha=0.18, linewidth=0)
    axes.plot(mean.index, mean, style, color=colour, linewidth=1.4, label=label)


def zoom(axes: Axes, part: pd.DataFrame) -> None:
    """Leave the steep start below the axis, so that fractions of a point can be seen afterwards."""
    late = part[part["epoch"] > part["epochs"] / 8]["val_accuracy"]
    if late.empty:
        return
    low, high = late.quantile(0.03), part["val_accuracy"].max()
    margin = max(0.06 * (high - low), 0.05)
    axes.set_ylim(low - margin, high + margin)


def planned(config: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Dataset, network and selection rule of every panel: those that the grid plans to run."""
    cells = [cell for experiment in config["experiments"] for cell in cells_of(config, experiment)]
    rules = {(cell.network, cell.method) for cell in cells}
    return [
        (dataset, network, method)
        for network, dataset in config["networks"].items()
        for method in ("greedy", "probabilistic")
        if (network, method) in rules
    ]


def draw(config: Mapping[str, Any], curves: pd.DataFrame) -> Figure:
    """`curves`: one row per run and epoch, with the columns that describe the run."""
    places = planned(config)
    figure, axes = panels(len(places), height=3.2)
    ladder = sorted({int(value) for value in curves["options"].dropna()})
    shades: dict[Any, Any] = {
        options: colormaps["viridis"](0.15 + 0.73 * i / max(1, len(ladder) - 1)) for i, options in enumerate(ladder)
    }
    for panel, (dataset, network, method) in zip(axes, places, strict=True):
        here = curves[(curves["network"] == network) & (curves["dataset"] == dataset)]
        for (of, variant, options), part in here.groupby(["method", "variant", "options"], dropna=False):
            if of == "learned" and variant == "":
                line(panel, part, INK, "learned weights", "--")
            elif of == method and variant == "":
                line(panel, part, shades[options], f"K = {options}")
            elif of == method and variant == "finetuned":
                line(panel, part, COLOURS["finetuned"], f"finetuned from K = {options}", ":")
        if here[here["method"] == method].empty:
            empty(panel)
        if here.empty:
            panel.set_xticks([])
        panel.set(title=f"{place(dataset, network)}, {method}", xlabel="epoch", ylabel="validation accuracy (%)")
        zoom(panel, here)  # the same axis for both rules
    notes = [
        "Lines: means over the seeds; bands: from the lowest to the highest seed. The axis leaves out the first epochs."
    ]
    return finish(figure, config, "Validation accuracy during training", curves, notes)


def command(config: ConfigFile, runs_csv: RunsFile, curves_csv: CurvesFile, output: PictureFile) -> None:
    """Draw validation accuracy per epoch."""
    settings = read_config(config)
    runs = read_runs(runs_csv)
    runs = runs[runs["recipe"] == recipe_name(settings["recipe"])]
    about = runs[["identity", *CELL, "epochs", "data_note"]]
    curves = read_curves(curves_csv).merge(about, on="identity", validate="many_to_one")
    with rc_context(LOOK):
        save(draw(settings, curves), output)


if __name__ == "__main__":
    run(command)
