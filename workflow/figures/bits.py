"""Accuracy of all methods against the bits per connection that their results take."""

from __future__ import annotations

from matplotlib.axes import Axes

from slotmachines.methods import METHODS
from slotpipeline.analysis.cell_results import CellResult
from slotpipeline.analysis.evidence import Measured
from slotpipeline.analysis.text import network_title, number
from slotpipeline.experiments.competitors import BITS
from slotpipeline.experiments.outcomes import measures
from slotpipeline.reporting.drawing import Drawing, finish, networks_run, not_run
from slotpipeline.reporting.figure import experiment_figure, rivals_note
from slotpipeline.reporting.marks import ours
from slotpipeline.reporting.style import FAINT, panels
from slotpipeline.results.read import Results

TICKS = (0, 0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32)


def marks(axes: Axes, measured: list[Measured]) -> None:
    """A mark per cell, at its bits; beside a slot machine its K."""
    for one in measured:
        result, at = one.result, one.values[BITS]
        label = METHODS[result.method].label
        ours(axes, result, at, at, label=label if result.options is None else f"{label}, its K beside it")
        if result.options is not None:
            axes.annotate(
                str(result.options), (at, result.mean), xytext=(5, 5), textcoords="offset points", fontsize=9,
                color=FAINT,
            )  # fmt: skip


def draw(results: Results, found: list[CellResult]) -> Drawing:
    """One panel per network; random weights, which take no bits, are named in a corner."""
    measured = measures(results, "bits", found)
    groups = networks_run(found)
    figure, axes = panels(len(groups), columns=1, height=4.0)
    for panel, (dataset, network, part) in zip(axes, groups, strict=True):
        here = [one for one in measured if one.result.network == network]
        marks(panel, [one for one in here if one.result.method != "random"])
        for one in part:
            if one.method == "random" and one.n:
                panel.text(
                    0.01, 0.98, f"0 bits: random weights, {number(one.mean)}%", transform=panel.transAxes,
                    fontsize=10, color=FAINT, va="top",
                )  # fmt: skip
        panel.set_xscale("symlog", linthresh=0.5, base=2)
        panel.set_xticks(TICKS, [f"{tick:g}" for tick in TICKS])
        panel.minorticks_off()
        panel.set(
            title=network_title(dataset, network), xlabel="bits per connection, beside a seed",
            ylabel="test accuracy (%)", xlim=(0, 40),
        )  # fmt: skip
    notes = [
        "Bits that tell the result apart from the random network of the same seed: log2 K of a slot machine; of a mask "
        "the entropy of the share of connections that it alters; 32 of a trained weight; of a lottery ticket its mask "
        "and 32 for each weight that is left. Marks: means with 95% t-intervals (from three seeds on); small dots: "
        "single seeds.",
        rivals_note(results.config),
        not_run(found),
    ]
    return finish(figure, results.config["recipe"], "Accuracy against the size of what is stored", found, notes)


if __name__ == "__main__":
    experiment_figure("bits", draw)
