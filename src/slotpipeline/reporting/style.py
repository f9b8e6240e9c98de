"""The common look of all figures: colours, marks, sizes, and how a figure is saved."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from slotmachines.files import replacing
from slotmachines.networks.names import network_label
from slotpipeline.analysis.cell_results import CellResult, by_network
from slotpipeline.reporting.tables import cell_names, data_notes_of


class _OrOther(dict[str, str]):
    """A dictionary with one answer for every key that it lacks, such as a method that was added."""

    def __missing__(self, key: str) -> str:
        return self["other"]


# Okabe and Ito's colours, told apart by readers with any common colour vision; the marks differ as well.
COLOURS = _OrOther({
    "greedy": "#0072B2",
    "probabilistic": "#D55E00",
    "learned": "#009E73",
    "finetuned": "#AA4499",
    "random": "#777777",
    "layer": "#E69F00",
    "network": "#222222",
    "edge_popup": "#E69F00",
    "supermask": "#56B4E9",
    "free_pruning": "#D55E00",
    "min_pruning": "#D55E00",
    "free_flipping": "#AA4499",
    "min_flipping": "#AA4499",
    "lottery_ticket": "#222222",
    "other": "#B8860B",
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
WIDTH, DPI = 9.0, 150  # inches, dots per inch; a README shows figures about 900 px wide
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


def panels(count: int, columns: int = 2, height: float = 3.6, width: float = WIDTH) -> tuple[Figure, list[Axes]]:
    """A figure with `count` panels, at most `columns` beside one another; `height` of a row in inches."""
    with rc_context(LOOK):
        columns = min(columns, count)
        rows = -(-count // columns)
        figure = Figure(figsize=(width, height * rows + 1.4), layout="constrained")
        axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for spare in axes[count:]:
        spare.remove()
    return figure, axes[:count]


def shades(values: Iterable[Any]) -> dict[Any, Any]:
    """A colour for each of some ordered values, such as K, from dark to light: told apart without colour as well."""
    ladder = sorted(set(values))
    return {value: colormaps["viridis"](0.1 + 0.7 * i / max(1, len(ladder) - 1)) for i, value in enumerate(ladder)}


def not_run(found: Sequence[CellResult]) -> str:
    """The cells without any run, as one phrase; of a network without any its name alone; blank if all were run."""
    names: list[str] = []
    for _, network, part in by_network(found):
        missing = [one for one in part if not one.n]
        if len(missing) == len(part):
            names.append(f"{network_label(network)} (all)")
            continue
        plain = [one for one in missing if one.cell.variant is None]
        names += [cell_names(plain)] if plain else []
        variants: dict[str, list[str]] = {}
        for one in missing:
            if one.cell.variant is not None:
                variants.setdefault(cell_names([one]), []).append(one.cell.variant.short)
        names += [f"{name} ({', '.join(short)})" for name, short in variants.items()]
    return f"Not run: {'; '.join(names)}." if names else ""


def finish(figure: Figure, recipe: str, title: str, shown: Sequence[CellResult], notes: Iterable[str]) -> Figure:
    """Give a figure its title, its legend (every label once) and a caption.

    The caption names the recipe and how many seeds the cells in `shown` have, holds the `notes`, and says what the
    results have to mention about their data.
    """
    handles: dict[str, Any] = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    caption = [f"Recipe {recipe}{_seeds(shown)}.", *notes, *data_notes_of(shown)]
    with rc_context(LOOK):
        # As many columns as the figure is wide enough for.
        for columns in (4, 3, 2, 1):
            # The title is the legend's: constrained layout would draw a title and an outside legend over one another.
            legend = figure.legend(
                handles.values(), handles.keys(), loc="outside upper left", ncols=columns, fontsize=10,
                alignment="left", title=title, title_fontproperties={"size": 14, "weight": "bold"},
            )  # fmt: skip
            if columns == 1 or legend.get_window_extent().width <= figure.bbox.width:
                break
            legend.remove()
        lines = textwrap.wrap(" ".join(note for note in caption if note), 125)
        figure.supxlabel("\n".join(lines), x=0.012, ha="left", fontsize=9, color=FAINT)
    return figure


def _seeds(shown: Sequence[CellResult]) -> str:
    """How many seeds the cells that were run have."""
    counts = sorted({one.n for one in shown if one.n})
    if not counts:
        return ""
    span = str(counts[0]) if counts[0] == counts[-1] else f"{counts[0]} to {counts[-1]}"
    return f"; {span} seed{'' if span == '1' else 's'} per cell"


def cap_at_hundred(axes: Axes) -> None:
    """End the axis of percentages shortly above 100, whatever the interval of two seeds says."""
    low, high = axes.get_ylim()
    axes.set_ylim(low, min(high, 100 + 0.02 * (100 - low)))


def save(figure: Figure, output: str | Path, source: str | None = None) -> None:
    """Write a PNG: the same bytes for the same figure and versions; `source`: a digest, see `sources`.

    It has 256 colours, all that the figures need: a third of the size, for git and for the report that holds them all.
    """
    canvas = FigureCanvasAgg(figure)
    with rc_context(LOOK), replacing(output) as temporary:
        figure.set_dpi(DPI)
        canvas.draw()
        picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
        about = PngInfo()
        if source is not None:
            about.add_text("Source", source)
        picture.quantize(256, dither=Image.Dither.NONE).save(temporary, "PNG", optimize=True, pnginfo=about)
