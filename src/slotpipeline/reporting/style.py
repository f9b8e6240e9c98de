"""The common look of all figures: colours, marks, sizes and panels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure


class _OrOther(dict[str, str]):
    """A dictionary with one answer for every key that it lacks, such as a method that was added."""

    def __missing__(self, key: str) -> str:
        return self["other"]


# Okabe and Ito's colours, told apart by readers with any common colour vision; the marks differ as well. Two are darker
# than theirs, so that each has a contrast of at least 3 to white.
COLOURS = _OrOther({
    "greedy": "#0072B2",
    "probabilistic": "#D55E00",
    "learned": "#009E73",
    "finetuned": "#AA4499",
    "random": "#777777",
    "layer": "#B87A00",
    "network": "#222222",
    "edge_popup": "#B87A00",
    "supermask": "#2E8BC0",
    "free_pruning": "#D55E00",
    "min_pruning": "#D55E00",
    "free_flipping": "#AA4499",
    "min_flipping": "#AA4499",
    "lottery_ticket": "#222222",
    "other": "#7A6A00",
})  # fmt: skip
MARKS = _OrOther({
    "greedy": "o",
    "probabilistic": "s",
    "learned": "^",
    "finetuned": "D",
    "random": "v",
    "layer": "s",
    "network": "D",
    "edge_popup": "s",
    "supermask": "d",
    "free_pruning": "<",
    "min_pruning": ">",
    "free_flipping": "p",
    "min_flipping": "h",
    "lottery_ticket": "X",
    "other": "P",
})  # fmt: skip
INK, FAINT = "#222222", "#666666"
WIDTH, WIDTH_OF_ONE = 9.0, 7.0  # inches, of a figure with panels side by side and of one with a panel in each row
DPI = 150  # dots per inch
LOOK: dict[Any, Any] = {
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.8,
    "text.color": INK,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "savefig.dpi": DPI,
}


def panels(
    count: int, columns: int = 2, height: float = 3.6, heights: Sequence[float] | None = None
) -> tuple[Figure, list[Axes]]:
    """A figure with `count` panels, at most `columns` beside one another.

    Args:
        height: of a row in inches, of the highest one where they differ.
        heights: how the rows' heights relate; alike by default.
    """
    with rc_context(LOOK):
        columns = min(columns, count)
        rows = -(-count // columns)
        width = WIDTH if columns > 1 else WIDTH_OF_ONE
        relative = heights or [1.0] * rows
        figure = Figure(figsize=(width, height * sum(relative) / max(relative) + 0.9), layout="constrained")
        axes = list(figure.subplots(rows, columns, squeeze=False, height_ratios=relative).flat)
    for spare in axes[count:]:
        spare.remove()
    return figure, axes[:count]


def shades(values: Iterable[Any]) -> dict[Any, Any]:
    """A colour for each of some ordered values, such as K, from dark to light: told apart without colour as well.

    The lightest still has a contrast of 3 to white.
    """
    ladder = sorted(set(values))
    return {value: to_hex(colormaps["plasma"](0.63 * i / max(1, len(ladder) - 1))) for i, value in enumerate(ladder)}


def cap_at_hundred(axes: Axes) -> None:
    """End the axis of percentages shortly above 100, whatever the interval of two seeds says."""
    low, high = axes.get_ylim()
    axes.set_ylim(low, min(high, 100 + 0.02 * (100 - low)))
