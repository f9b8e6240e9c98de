"""A figure with one column per way of training: slot machine, finetuned from it, and learned weights."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from slotpipeline.analysis.cell_results import CellResult
from slotpipeline.analysis.text import network_title, number
from slotpipeline.reporting.drawing import Drawing, finish, networks_run, not_run
from slotpipeline.reporting.marks import ours, papers
from slotpipeline.reporting.style import FAINT, cap_at_hundred, panels
from slotpipeline.results.read import Results


def column_name(found: CellResult) -> str:
    """Tick label: the method, and for how many epochs it is trained in total."""
    name = {"finetuned": "finetuned,", "greedy": "slot machine,", "learned": "learned from"}[found.shown_method]
    start = "scratch" if found.options is None else f"K = {found.options}"
    return f"{name}\n{start}\n{found.run.settings.epochs} epochs"


def columns(axes: Axes, found: Sequence[CellResult]) -> None:
    """A column per cell, ours with its mean as a number and the paper's number beside it."""
    for x, one in enumerate(found):
        if one.n:
            ours(axes, one, x, x - 0.1)
            axes.annotate(
                number(one.mean), (x - 0.1, one.mean), xytext=(-6, 0), textcoords="offset points", ha="right",
                va="center", fontsize=10, color=FAINT,
            )  # fmt: skip
        elif any(other.n for other in found):
            axes.text(x, 0.02, "not run", transform=axes.get_xaxis_transform(), ha="center", color=FAINT, fontsize=10)
        papers(axes, one, x + 0.17)
    axes.set_xlim(-0.7, len(found) - 0.4)
    axes.set_xticks(range(len(found)), [column_name(one) for one in found], fontsize=10)
    axes.grid(axis="x", visible=False)
    cap_at_hundred(axes)


def columns_figure(results: Results, experiment: str, found: Sequence[CellResult], title: str, *notes: str) -> Drawing:
    """One panel of columns per network; `notes` end the caption."""
    groups = networks_run(found)
    figure, axes = panels(len(groups))
    for panel, (dataset, network, part) in zip(axes, groups, strict=True):
        columns(panel, part)
        panel.set(title=network_title(dataset, network), ylabel="test accuracy (%)")
    caption = [
        f"Finetuned: {results.config['experiments'][experiment]['start_epoch']} epochs of selection, then ordinary "
        "training of the selected weights; both count as epochs. Filled marks and the numbers "
        "beside them: means, with 95% t-intervals (from three seeds on); small dots: single seeds; hollow: the "
        "paper's mean, with its range over the seeds where that is known.",
        *notes,
        not_run(found),
    ]
    return finish(figure, results.config["recipe"], title, found, caption)
