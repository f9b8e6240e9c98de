"""Draw what slot machines cost beside ordinary training: step time and memory against K."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, StrMethodFormatter

from benchmarks.measurements import by_device, conditions
from slotmachines.networks.names import NETWORKS, network_label
from slotpipeline.command import run
from slotpipeline.reporting.drawing import Drawing, finish, save
from slotpipeline.reporting.style import COLOURS, FAINT, INK, LOOK, MARKS, WIDTH
from slotpipeline.reporting.tables import data_notes

SHIFTS = {"greedy": 0.92, "probabilistic": 1.09}  # keeps marks apart that would hide one another
LINES = {"one-number": "-", "dense": "--"}
LABELS = {"one-number": "one number", "dense": "K scores"}
LOWEST_NUMBERS = 0.5  # a logarithmic axis has no room for nothing


def draw_lines(axes: Axes, table: pd.DataFrame, column: str, *, quartiles: bool) -> None:
    """A line per selection, by colour and mark, and method: dashes and hollow marks are the dense one's."""
    for method, style in LINES.items():
        for selection, shift in SHIFTS.items():
            part = table[(table["method"] == method) & (table["selection"] == selection)].sort_values("options")
            if part.empty:
                continue
            values, colour = part[column].astype(float), COLOURS[selection]
            spread = [values - part[f"{column}_low"], part[f"{column}_high"] - values] if quartiles else None
            axes.errorbar(
                part["options"] * shift, values.clip(lower=LOWEST_NUMBERS), yerr=spread, color=colour, capsize=2,
                marker=MARKS[selection], markersize=5, markerfacecolor=colour if method == "one-number" else "white",
                linestyle=style, linewidth=1.3, label=f"{selection}, {LABELS[method]}",
            )  # fmt: skip


def draw_goals(axes: Axes, table: pd.DataFrame, column: str) -> None:
    """A bar over each measurement that has a limit."""
    part = table[table[column].notna()]
    axes.plot(
        part["options"], part[column], linestyle="", marker="_", markersize=13, markeredgewidth=2, color=FAINT,
        zorder=1, label="limit that was set",
    )  # fmt: skip


def options_axis(axes: Axes, options: list[int]) -> None:
    """A log2 axis of K."""
    axes.set_xscale("log", base=2)
    axes.set_xlim(options[0] / 2, options[-1] * 2)
    axes.set_xticks(options, [f"{k:,}" for k in options], fontsize=9, rotation=90 if len(options) > 4 else 0)
    axes.minorticks_off()


def plain_numbers(axes: Axes) -> None:
    """A log axis labelled 0.5, 1, 2, 5, 10 and so on."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_locator(LogLocator(subs=()))


def draw(table: pd.DataFrame) -> Drawing:
    """A column of panels per network: step time above, memory below."""
    measured = set(table["network"])
    networks = [*(name for name in NETWORKS if name in measured), *sorted(measured - set(NETWORKS))]
    options = sorted(int(k) for k in set(table["options"]))
    figure = Figure(figsize=(WIDTH, 7.6), layout="constrained")
    panels = figure.subplots(2, len(networks), squeeze=False, sharey="row", sharex=True)
    for column, network in enumerate(networks):
        time, memory = panels[:, column]
        part = table[table["network"] == network]
        time.axhline(1, color=INK, linewidth=1)
        draw_lines(time, part, "ratio", quartiles=True)
        draw_lines(memory, part, "numbers", quartiles=False)
        draw_goals(time, part, "ratio_target")
        draw_goals(memory, part, "numbers_target")
        for axes in (time, memory):
            options_axis(axes, options)
            plain_numbers(axes)
        time.set_title(network_label(network))
        memory.set_xlabel("options, K")
    panels[0, 0].set_ylabel("step time (ordinary steps)")
    panels[1, 0].set_ylabel("peak memory beyond ordinary\n(numbers per connection)")
    notes = [
        "One number per connection is this library, K scores per connection the method as the paper writes it. Upper "
        "row: median step of SGD, forward to update, batch 128 (resnet18: 32), over that of ordinary training (line "
        "at 1) in the same process, taking turns; bars: quartiles over the turns, where they exceed the mark. Lower "
        "row: highest memory use less that of ordinary training, in numbers of 4 bytes; less than "
        f"{LOWEST_NUMBERS} is drawn there.",
        conditions(table),
        *data_notes(zip(table["dataset"], table["data_note"], strict=True)),
    ]
    return finish(figure, "paper-glorot", "What a slot machine costs", (), notes)


def command(
    measurements: Annotated[Path, typer.Argument(help="the CSV file of make bench")],
    folder: Annotated[Path, typer.Argument(help="where to write cpu.png, and gpu.png where there was a GPU")],
) -> None:
    """Draw the figures of the benchmark."""
    for device, table in by_device(measurements).items():
        with rc_context(LOOK):
            save(draw(table), folder / f"{device}.png")


if __name__ == "__main__":
    run(command)
