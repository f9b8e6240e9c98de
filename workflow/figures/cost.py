"""Test accuracy against what training has cost so far, in operations and in time, beside learned weights."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.figure import Figure

from slotmachines.networks.names import network_label
from slotpipeline.analysis.measures import FLOPS_CSV, STEP_TIMES_CSV, epoch_flops, if_measured
from slotpipeline.experiments.grid import cells_of
from slotpipeline.reporting.figure import experiment_figure
from slotpipeline.reporting.marks import curve, empty, zoom
from slotpipeline.reporting.style import INK, finish, not_run, panels, place, shades
from slotpipeline.reporting.tables import by_network, rows_of
from slotpipeline.results.read import Results
from slotpipeline.runs.cell import cell_run
from slotpipeline.runs.flops import read_flops
from slotpipeline.runs.run_time import read_step_times, relative_step_time


def draw(results: Results, table: pd.DataFrame) -> Figure:
    """Two panels per network: floating-point operations, and time."""
    flops = read_flops(results.project / FLOPS_CSV)
    times = read_step_times(results.project / STEP_TIMES_CSV)
    cells = cells_of(results.config, "cost")
    runs = {index: cell_run(results.config, cell, results.config["seeds"][0]) for index, cell in enumerate(cells)}
    colours = shades(table["options"].dropna())
    groups = by_network(table)
    unmeasured: list[str] = []
    figure, axes = panels(2 * len(groups), height=3.3)
    for left, right, (dataset, network, part) in zip(axes[::2], axes[1::2], groups, strict=True):
        operations = {index: if_measured(epoch_flops, runs[index], flops) for index in part.index}
        most = pd.Series([operations[index] * runs[index].settings.epochs for index in part.index]).max()
        unit = 0 if pd.isna(most) else 3 * int(math.log10(most) // 3)
        shown = results.curves[results.curves["identity"].isin(part["identities"].explode())]
        for row in rows_of(part[part["n"] > 0]):
            run, cell = runs[row.Index], shown[shown["identity"].isin(row.identities)]
            learned = row.method == "learned"
            label, style = ("learned weights", "--") if learned else (f"slot machine, K = {row.options}", "-")
            colour = INK if learned else colours[row.options]
            for panel, each in (
                (left, operations[row.Index] / 10**unit), (right, if_measured(relative_step_time, run, times))
            ):  # fmt: skip
                if math.isnan(each):
                    unmeasured.append(network_label(network))
                else:
                    curve(panel, cell, "test_accuracy", colour, label, style, each)
        power = rf" ($10^{{{unit}}}$)" if unit else ""
        left.set(title=place(dataset, network), xlabel=f"floating-point operations{power}")
        left.set_ylabel("test accuracy (%)")
        right.set_xlabel("time, in epochs of ordinary training")
        for panel in (left, right):
            zoom(panel, shown, "test_accuracy")
            if not panel.has_data():
                panel.set_xticks([])
                empty(panel, "cost not measured" if part["n"].any() else "not run yet")
    notes = [
        "Cost of training up to and including an epoch; evaluation is not counted. Left: operations of forward and "
        "backward pass, optimiser and selection, for slot machines that train one number per connection; choosing "
        "anew, for the few connections that do, is left out. Right: epochs times the measured time of a step, by that "
        "of a step of ordinary training of the same network, taken in turns on one processor core (at the nearest K "
        "that was measured). Lines: means "
        "over the seeds; bands: from the lowest to the highest seed. The accuracy axis leaves out the first epochs.",
        f"Costs that were not measured are left out: {', '.join(dict.fromkeys(unmeasured))}." if unmeasured else "",
        not_run(table),
    ]
    return finish(figure, results.config["recipe"], "Accuracy against the cost of training", table, notes)


if __name__ == "__main__":
    experiment_figure("cost", draw)
