"""Test accuracy against what training has cost so far, in operations and in time, beside learned weights."""

from __future__ import annotations

import math

from slotmachines.networks.names import network_label
from slotpipeline.analysis.cell_results import CellResult, identities_of
from slotpipeline.analysis.text import network_title
from slotpipeline.experiments.accuracy_by_options import FLOPS_CSV, STEP_TIMES_CSV, epoch_flops, if_measured
from slotpipeline.reporting.drawing import Drawing, finish, networks_run, not_run
from slotpipeline.reporting.figure import experiment_figure
from slotpipeline.reporting.marks import curve, empty, options_of, zoom
from slotpipeline.reporting.style import INK, panels, shades
from slotpipeline.results.read import Results
from slotpipeline.runs.flops import read_flops
from slotpipeline.runs.run_time import read_step_times, relative_step_time


def draw(results: Results, found: list[CellResult]) -> Drawing:
    """Two panels per network: floating-point operations, and time."""
    flops = read_flops(results.project / FLOPS_CSV)
    times = read_step_times(results.project / STEP_TIMES_CSV, required=False)
    colours = shades(options_of(found))
    groups = networks_run(found)
    unmeasured: list[str] = []
    figure, axes = panels(2 * len(groups), height=3.3)
    for left, right, (dataset, network, part) in zip(axes[::2], axes[1::2], groups, strict=True):
        whole = [if_measured(epoch_flops, one.run, flops) * one.run.settings.epochs for one in part]
        counted = [operations for operations in whole if not math.isnan(operations)]
        unit = 3 * int(math.log10(max(counted)) // 3) if counted else 0
        shown = results.curves[results.curves["identity"].isin(identities_of(part))]
        for one in (one for one in part if one.n):
            rows = shown[shown["identity"].isin(one.identities)]
            learned = one.method == "learned"
            label, style = ("learned weights", "--") if learned else (f"slot machine, K = {one.options}", "-")
            colour = INK if learned else colours[one.options]
            operations = if_measured(epoch_flops, one.run, flops) / 10**unit
            for panel, each in ((left, operations), (right, if_measured(relative_step_time, one.run, times))):
                if math.isnan(each):
                    unmeasured.append(network_label(network))
                else:
                    curve(panel, rows, "test_accuracy", colour, label, style, each)
        power = rf" ($10^{{{unit}}}$)" if unit else ""
        left.set(title=network_title(dataset, network), xlabel=f"floating-point operations{power}")
        left.set_ylabel("test accuracy (%)")
        right.set_xlabel("time, in epochs of ordinary training")
        for panel in (left, right):
            zoom(panel, shown, "test_accuracy")
            if not panel.has_data():
                panel.set_xticks([])
                empty(panel, "cost not measured")
    notes = [
        "Cost of training up to and including an epoch; evaluation is not counted. Left: operations of forward and "
        "backward pass, optimiser and selection, with one trained number per connection; the rare re-selection of "
        "options is not counted. Right: epochs times the time of a step, in steps of ordinary training of the same "
        "network, measured in turns on one core (at the nearest K that was measured). Lines: means over the seeds; "
        "bands: from the lowest to the highest seed. The accuracy axis leaves out the first epochs.",
        f"Costs that were not measured are left out: {', '.join(dict.fromkeys(unmeasured))}." if unmeasured else "",
        not_run(found),
    ]
    return finish(figure, results.config["recipe"], "Accuracy against the cost of training", found, notes)


if __name__ == "__main__":
    experiment_figure("cost", draw)
