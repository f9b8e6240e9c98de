"""Final accuracy against the epoch at which a slot machine hands over to ordinary training, at equal total epochs."""

from __future__ import annotations

import math
from collections.abc import Iterator

from matplotlib.axes import Axes

from slotpipeline.analysis.cell_results import CellResult
from slotpipeline.analysis.text import network_title
from slotpipeline.reporting.drawing import Drawing, finish, networks_run, not_run
from slotpipeline.reporting.figure import experiment_figure
from slotpipeline.reporting.marks import MARK_NOTE, band, options_of, ours, papers
from slotpipeline.reporting.style import COLOURS, cap_at_hundred, panels
from slotpipeline.results.read import Results

NAMES = {"learned": "trained from scratch", "finetuned": "finetuned", "greedy": "slot machine, never finetuned"}


def groups_of(found: list[CellResult]) -> Iterator[tuple[str, list[CellResult]]]:
    """Title and cells of every panel: one per network and K, with training from scratch in each."""
    for dataset, network, part in networks_run(found):
        for options in options_of(part):
            title = f"{network_title(dataset, network)}, K = {options}"
            yield title, [one for one in part if one.options in (None, options)]


def start_of(found: CellResult, total: int) -> int:
    """Where a cell stands: training from scratch at epoch 0, a slot machine alone at its last epoch."""
    return {"learned": 0, "greedy": total}.get(found.shown_method, found.cell.start_epoch)


def checkpoints(axes: Axes, found: list[CellResult]) -> None:
    """Training from scratch, the slot machine alone, and what is finetuned between them."""
    total = max(one.run.settings.epochs for one in found)
    found = sorted(found, key=lambda one: start_of(one, total))
    between = [one for one in found if one.shown_method == "finetuned"]
    starts = [start_of(one, total) for one in between]
    axes.plot(starts, [one.mean for one in between], color=COLOURS["finetuned"], linewidth=1.3, alpha=0.7, zorder=2)
    for one in found:
        start = start_of(one, total)
        if one.n:
            ours(axes, one, start, start - total / 55, label=NAMES[one.shown_method])
            if one.shown_method != "finetuned":
                band(axes, one)
        papers(axes, one, start + total / 40)
    every = math.ceil(len(between) / 6)
    ticks = [start for start in starts[every - 1 :: every] if total / 10 < start < total * 0.9]
    axes.set_xlim(-total * 0.06, total * 1.06)
    axes.set_xticks([0, *ticks, total], ["0\n(scratch)", *map(str, ticks), f"{total}\n(never)"], fontsize=10)


def draw(results: Results, found: list[CellResult]) -> Drawing:
    """One panel per network and K."""
    groups = list(groups_of(found))
    figure, axes = panels(len(groups))
    for panel, (title, part) in zip(axes, groups, strict=True):
        checkpoints(panel, part)
        panel.set(title=title, xlabel="epoch at which finetuning starts", ylabel="final test accuracy (%)")
        cap_at_hundred(panel)
    notes = [
        "All networks of a panel are trained for equally many epochs in total: up to the epoch on the x axis by "
        "choosing among fixed random values (a slot machine), from there on by ordinary training of the selected "
        "weights.",
        f"{MARK_NOTE} Lines with bands: mean and interval of the two ends, across the panel.",
        not_run(found),
    ]
    return finish(figure, results.config["recipe"], "When to stop selecting and start finetuning", found, notes)


if __name__ == "__main__":
    experiment_figure("finetune-checkpoints", draw)
