"""A finished figure: title, legend and caption, and how it is saved as PNG, SVG and PDF."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from slotmachines.files import replacing
from slotmachines.networks.names import network_label
from slotpipeline.analysis.cell_results import CellResult, by_network
from slotpipeline.reporting.style import DPI, FAINT, LOOK, WIDTH_OF_ONE
from slotpipeline.reporting.vector import Box, slimmed

POINTS = 72  # an inch
MARGIN = 3.0  # points around a part of a figure that a narrow page shows alone


@dataclass(frozen=True)
class Drawing:
    """A figure with what is said about it.

    Attributes:
        figure: with its title and legend, without its caption, which stays text.
        title: one line.
        caption: what the marks mean, how many seeds they stand for, and what was not run.
    """

    figure: Figure
    title: str
    caption: str


def networks_run(found: Sequence[CellResult]) -> list[tuple[str, str, list[CellResult]]]:
    """Dataset, network and results of every network of which anything was run: each has a panel."""
    return [group for group in by_network(found) if any(one.n for one in group[2])]


def not_run(found: Sequence[CellResult]) -> str:
    """What was not run, as one phrase: networks by their names, cells of the other networks as a number."""
    run = [one for *_, part in networks_run(found) for one in part]
    whole = [network_label(network) for _, network, part in by_network(found) if not any(one.n for one in part)]
    missing = sum(not one.n for one in run)
    counted = f"{missing} of {len(run)} cells{' of the other networks' if whole else ''}"
    names = [*([", ".join(whole)] if whole else []), *([counted] if missing else [])]
    return f"Not run: {'; '.join(names)}." if names else ""


def finish(figure: Figure, recipe: str, title: str, shown: Sequence[CellResult], notes: Iterable[str]) -> Drawing:
    """Give a figure its title, its legend (every label once) and a caption.

    The caption holds the `notes`, and names the recipe and how many seeds the cells in `shown` have.
    """
    handles: dict[str, Any] = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    with rc_context(LOOK):
        # As many columns as the figure is wide enough for, but few enough to be read on a narrow page.
        for columns in (3, 2, 1) if len(handles) > 4 else (2, 1):
            # The title is the legend's: constrained layout would draw a title and an outside legend over one another.
            legend = figure.legend(
                handles.values(), handles.keys(), loc="outside upper left", ncols=columns, fontsize=10,
                alignment="left", title=title, title_fontproperties={"size": 14, "weight": "bold"},
            )  # fmt: skip
            if columns == 1 or legend.get_window_extent().width <= figure.bbox.width:
                break
            legend.remove()
    caption = [*notes, f"Recipe {recipe}{_seeds(shown)}."]
    return Drawing(figure, title, " ".join(note for note in caption if note))


def nothing_run(title: str) -> Drawing:
    """What stands for a figure of which nothing was run: its title, without any panel."""
    with rc_context(LOOK):
        figure = Figure(figsize=(WIDTH_OF_ONE, 0.8))
        figure.text(0.02, 0.55, title, fontsize=14, fontweight="bold")
        figure.text(0.02, 0.15, "not run yet", color=FAINT)
    return Drawing(figure, title, "Nothing of this was run yet.")


def _seeds(shown: Sequence[CellResult]) -> str:
    """How many seeds the cells that were run have."""
    counts = sorted({one.n for one in shown if one.n})
    if not counts:
        return ""
    span = str(counts[0]) if counts[0] == counts[-1] else f"{counts[0]} to {counts[-1]}"
    return f"; {span} seed{'' if span == '1' else 's'} per cell"


def save(drawing: Drawing, output: str | Path, source: str = "") -> None:
    """Write a drawing as PNG, and beside it as SVG and PDF: the same bytes for the same drawing and versions.

    Args:
        output: the PNG; the others have its name with their own ending.
        source: digest of what it was made from, see `sources`.
    """
    output, figure = Path(output), drawing.figure
    canvas = FigureCanvasAgg(figure)
    fixed = {"svg.fonttype": "none", "svg.hashsalt": "slotmachines", "pdf.fonttype": 42}
    with rc_context(LOOK | fixed):
        figure.set_dpi(DPI)
        canvas.draw()
        picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
        svg = StringIO()
        figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
        with replacing(output.with_suffix(".svg")) as temporary:
            text = slimmed(svg.getvalue(), drawing.title, drawing.caption, source, parts(figure))
            temporary.write_text(text, encoding="utf-8")
        with replacing(output.with_suffix(".pdf")) as temporary:
            about = {"Title": drawing.title, "CreationDate": None, "Creator": None, "Producer": None}
            figure.savefig(temporary, format="pdf", metadata=about)
    with replacing(output) as temporary:
        png = PngInfo()
        for name, words in (("Title", drawing.title), ("Description", drawing.caption), ("Source", source)):
            png.add_itxt(name, words)
        # 256 colours are all that the figures need: a third of the size in git.
        picture.quantize(256, dither=Image.Dither.NONE).save(temporary, "PNG", optimize=True, pnginfo=png)


def parts(figure: Figure) -> list[Box]:
    """Where the legend and each panel of a drawn figure are, in points from its upper left corner.

    A narrow page shows these below one another, as a whole figure would be too small to read.
    """
    height = figure.bbox.height
    boxes: list[Bbox] = [legend.get_window_extent() for legend in figure.legends]
    boxes += [box for axes in figure.axes if (box := axes.get_tightbbox()) is not None]
    scale = POINTS / figure.dpi
    return [
        (
            box.x0 * scale - MARGIN,
            (height - box.y1) * scale - MARGIN,
            box.width * scale + 2 * MARGIN,
            box.height * scale + 2 * MARGIN,
        )
        for box in boxes
    ]
