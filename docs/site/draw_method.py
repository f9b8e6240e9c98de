"""Draw how a slot machine selects a weight, for docs/method.md.

python docs/site/draw_method.py figures/method/selection.png
"""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

from slotpipeline.reporting.drawing import Drawing, save
from slotpipeline.reporting.style import COLOURS, FAINT, INK, LOOK

VALUES = np.array([-0.8, -0.3, 0.4, 0.9])
"""The K = 4 fixed random values of the connection in the two lower panels."""
SCORES = np.array([0.25, 0.62, 0.55, 0.1])
"""Its initial scores."""
THETA = np.linspace(-1.5, 1.5, 3001)
REELS = [(VALUES, 2), (np.array([0.7, -0.5, 0.1, -0.9]), 1), (np.array([-0.2, 0.6, -0.7, 0.3]), 0)]
"""Values of three connections, and the option that each uses."""
HUES = ["#AA4499", "#D55E00", "#0072B2", "#009E73"]
"""One colour per option."""


def lines(theta: np.ndarray) -> np.ndarray:
    """The scores of all options, (options, thetas): straight lines, with the values as slopes."""
    return SCORES[:, None] + VALUES[:, None] * theta


def selected(theta: np.ndarray) -> np.ndarray:
    """The option with the highest score at each theta; of equal ones the first."""
    return lines(theta).argmax(0)


def breaks() -> list[float]:
    """Where the selected option changes."""
    chosen = selected(THETA)
    found = []
    for place in np.flatnonzero(np.diff(chosen)):
        one, other = chosen[place], chosen[place + 1]
        found.append(float((SCORES[one] - SCORES[other]) / (VALUES[other] - VALUES[one])))
    return found


def draw_reels(axes: Axes) -> None:
    """Three connections as reels: all values of each, and the one in the window."""
    axes.set(xlim=(-0.9, 7.4), ylim=(-0.6, 4.7))
    axes.axis("off")
    for column, (values, chosen) in enumerate(REELS):
        left = 2.5 * column
        axes.text(left + 0.7, 4.15, f"connection {column + 1}", ha="center", va="bottom", fontsize=10)
        for row, value in enumerate(values):
            low, inside = 3.0 - row, row == chosen
            axes.add_patch(Rectangle((left, low), 1.4, 0.9, facecolor="#ffffff", edgecolor="#cccccc", linewidth=1))
            axes.text(
                left + 0.7, low + 0.45, f"{value:+.1f}".replace("-", "\N{MINUS SIGN}"), ha="center", va="center",
                color=INK if inside else FAINT, weight="bold" if inside else "normal",
            )  # fmt: skip
            if inside:
                axes.add_patch(
                    FancyBboxPatch(
                        (left - 0.12, low), 1.64, 0.9, boxstyle="round,pad=0.04", facecolor="none",
                        edgecolor=COLOURS["greedy"], linewidth=2.5,
                    )
                )  # fmt: skip
    axes.text(-0.12, -0.5, "frame: the weight that is used", color=COLOURS["greedy"], fontsize=10)


def draw_scores(axes: Axes) -> None:
    """The score lines over theta, and their upper envelope."""
    for option, score in enumerate(lines(THETA)):
        axes.plot(THETA, score, color=HUES[option], linewidth=1, linestyle="--")
    edges, chosen = [THETA[0], *breaks(), THETA[-1]], selected(THETA)
    for low, high in pairwise(edges):
        option = int(chosen[np.searchsorted(THETA, (low + high) / 2)])
        theta = np.array([low, high])
        axes.plot(theta, lines(theta)[option], color=HUES[option], linewidth=3.5, solid_capstyle="butt")
        middle = (low + high) / 2
        axes.text(
            middle, lines(np.array([middle]))[option, 0] + 0.22, f"option {option + 1}", color=HUES[option],
            ha="center", va="bottom", fontsize=10, weight="bold",
        )  # fmt: skip
    axes.set(ylabel="score", xlim=(THETA[0], THETA[-1]), ylim=(-1.2, 2.0))


def draw_weight(axes: Axes) -> None:
    """The weight that is used over theta: a step function."""
    edges, chosen = [THETA[0], *breaks(), THETA[-1]], selected(THETA)
    previous = None
    for low, high in pairwise(edges):
        option = int(chosen[np.searchsorted(THETA, (low + high) / 2)])
        if previous is not None:
            axes.plot([low, low], [previous, VALUES[option]], color=FAINT, linewidth=1, linestyle=":")
        axes.plot([low, high], [VALUES[option]] * 2, color=HUES[option], linewidth=3.5, solid_capstyle="butt")
        previous = VALUES[option]
    axes.set(xlabel="theta, the one trained number", ylabel="weight used", xlim=(THETA[0], THETA[-1]), ylim=(-1.1, 1.1))
    axes.set_yticks(VALUES, [f"{value:+.1f}".replace("-", "\N{MINUS SIGN}") for value in VALUES])


def picture() -> Drawing:
    """The three panels."""
    with rc_context(LOOK):
        figure = Figure(figsize=(7.0, 8.2), layout="constrained")
        axes = figure.subplots(3, 1, height_ratios=[1.0, 1.25, 1.0])
        draw_reels(axes[0])
        draw_scores(axes[1])
        draw_weight(axes[2])
        for low in breaks():
            for panel in axes[1:]:
                panel.axvline(low, color=FAINT, linewidth=0.8, linestyle=":", zorder=0)
        titles = ("Each connection is a reel of K fixed values", "The scores of connection 1", "Its weight")
        for panel, title in zip(axes, titles, strict=True):
            panel.set_title(title)
    caption = "K fixed values per connection; their scores over the trained number theta; the weight, a step function."
    return Drawing(figure, "How a slot machine selects a weight", caption)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    save(picture(), Path(sys.argv[1]))
