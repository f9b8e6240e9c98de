"""Our accuracies less the published ones, a row per number, in the band of the tolerance that was fixed beforehand."""

from __future__ import annotations

from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes

from slotmachines.methods import METHODS
from slotpipeline.analysis.cell_results import CellResult
from slotpipeline.analysis.statistics import t_interval
from slotpipeline.analysis.text import network_title, number
from slotpipeline.command import PictureFile, ReferenceFile, ResultsFolder, run
from slotpipeline.experiments.outcomes import grid_results
from slotpipeline.reporting.drawing import Drawing, finish, networks_run, not_run, nothing_run, save
from slotpipeline.reporting.sources import published_digest
from slotpipeline.reporting.style import COLOURS, FAINT, INK, LOOK, MARKS, panels
from slotpipeline.reporting.tables import CHOSEN
from slotpipeline.results.read import Results, read_results

TITLE = "Ours less the published numbers"
CONFIDENCE = 0.90  # the interval of two one-sided tests at 5%, by which the verdicts go
END = (2.0, 6.0)  # tolerances from the middle to the end of the axis: at least and at most


def judged_cells(results: Results) -> list[CellResult]:
    """The cells with a published number of their own dataset, each once, whichever experiments have it."""
    cells: dict[tuple[Any, ...], CellResult] = {}
    for one in (one for found in grid_results(results).values() for one in found):
        # A network that is not trained, or whose recipe is another one, is no replication of the number.
        if one.tolerance is not None and one.method != "random" and one.cell.variant is None:
            key = (one.dataset, one.network, one.method, one.options, one.paper)
            cells[key] = max(cells.get(key, one), one, key=lambda each: each.n)
    return list(cells.values())


def row_name(one: CellResult) -> str:
    """Tick label: the method, its K, and the number of seeds."""
    options = "" if one.options is None else f", K = {one.options}"
    name = METHODS[one.method].label if one.options is None else one.method
    return f"{name}{options} (n = {one.judged.n or one.n})"


def interval_of(one: CellResult) -> tuple[float | None, float | None]:
    """The 90% interval of a difference: that of its verdict, or that of our seeds alone where it has no verdict."""
    if one.judged.n:
        return one.judged.low, one.judged.high
    own = t_interval(one.accuracies, CONFIDENCE) if one.n > 2 else None
    value = one.paper.value if one.paper else 0.0
    return (None, None) if own is None else (own[0] - value, own[1] - value)


def difference_of(one: CellResult) -> float:
    """The difference by which its verdict goes; of all its runs where it has none."""
    return (one.judged.difference if one.judged.n else one.difference) or 0.0


def axis_end(found: list[CellResult]) -> float:
    """Where the axis ends on both sides: at the widest interval, or before it where that lies very far out."""
    widest = max(one.tolerance or 0.0 for one in found)
    least, most = (times * widest for times in END)
    inside = [one for one in found if abs(difference_of(one)) <= most]
    ends = [abs(end) for one in inside for end in (difference_of(one), *interval_of(one)) if end is not None]
    return min(most, max([least, *(1.1 * end for end in ends)]))


def forest(axes: Axes, found: list[CellResult]) -> None:
    """A row per number: the difference with its interval, hollow where the cell chose the recipe."""
    end = axis_end(found)
    axes.axvline(0, color=INK, linewidth=1, zorder=1)
    for y, one in enumerate(found):
        paper, tolerance, colour = one.paper, one.tolerance or 0.0, COLOURS[one.method]
        assert paper is not None  # a tolerance belongs to a published number
        axes.fill_betweenx([y - 0.5, y + 0.5], -tolerance, tolerance, color=FAINT, alpha=0.13, linewidth=0, zorder=0)
        mean = difference_of(one)
        low, high = interval_of(one)
        # Exploratory runs decide nothing, and are pale.
        shade = 1.0 if one.judged.n else 0.55
        look: dict[str, Any] = {"color": colour, "marker": MARKS[one.method], "markersize": 6, "alpha": shade}
        if one.is_chosen_by:
            look |= {"markerfacecolor": "white", "markeredgewidth": 1.3}
        elif one.n == 1:
            look |= {"fillstyle": "left", "markerfacecoloralt": "white"}
        if abs(mean) <= end:
            bar = None if low is None or high is None else [[mean - low], [high - mean]]
            axes.errorbar([mean], [y], xerr=bar, capsize=3, zorder=4, linestyle="", **look)
        else:
            side = 1 if mean > 0 else -1
            axes.plot(side * end, y, ">" if side > 0 else "<", color=colour, clip_on=False, zorder=4)
        text = f"{number(mean, '+.2f')}{f' {CHOSEN}' if one.is_chosen_by else ''}"
        axes.text(1.02, y, text, transform=axes.get_yaxis_transform(), va="center", fontsize=10)
    axes.set_yticks(range(len(found)), [row_name(one) for one in found])
    axes.set(xlim=(-end, end), ylim=(len(found) - 0.5, -0.5), xlabel="points of test accuracy")
    axes.grid(axis="y", visible=False)


def draw(results: Results) -> Drawing:
    """One panel per network."""
    cells = judged_cells(results)
    groups = networks_run(cells)
    if not groups:
        return nothing_run(TITLE)
    rows = [sum(1 for one in part if one.n) for *_, part in groups]
    figure, axes = panels(len(groups), columns=1, height=0.7 + 0.32 * max(rows), heights=rows)
    for panel, (dataset, network, part) in zip(axes, groups, strict=True):
        forest(panel, [one for one in part if one.n])
        panel.set_title(network_title(dataset, network))
    notes = [
        "Marks: our mean less the published one, with its 90% interval, which counts the spread of the paper's seeds "
        f"where a verdict goes by it; grey band: the tolerance; hollow and {CHOSEN}: this cell chose the recipe and is "
        "no evidence; pale: exploratory runs, without a verdict; half-filled: a single seed; arrows: beyond the axis.",
        not_run(cells),
    ]
    return finish(figure, results.config["recipe"], TITLE, [one for one in cells if one.n], notes)


def command(folder: ResultsFolder, reference_csv: ReferenceFile, output: PictureFile) -> None:
    """Draw how far our accuracies lie from the published ones."""
    results = read_results(folder, reference_csv)
    with rc_context(LOOK):
        save(draw(results), output, published_digest(grid_results(results)))


if __name__ == "__main__":
    run(command)
