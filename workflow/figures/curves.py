"""Validation accuracy per epoch: one panel per network and selection rule, one line per K."""

from __future__ import annotations

import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from slotmachines.methods import SLOT_METHODS
from slotpipeline.command import PictureFile, ReferenceFile, ResultsFolder, run
from slotpipeline.reporting.marks import curve, empty, zoom
from slotpipeline.reporting.sources import IN_CURVES, curves_digest, figure_digest
from slotpipeline.reporting.style import COLOURS, INK, LOOK, finish, not_run, panels, place, save, shades
from slotpipeline.reporting.tables import CELL, COLUMNS, by_network, experiment_table, kind, rows_of
from slotpipeline.results.read import Results, read_results


def tables_shown(results: Results) -> dict[str, pd.DataFrame]:
    """The tables of the experiments whose curves are drawn."""
    return {name: experiment_table(results, name) for name in IN_CURVES if name in results.config["experiments"]}


def cells_shown(results: Results) -> pd.DataFrame:
    """The cells whose curves are drawn, each once, as rows of the tables of their experiments."""
    tables = list(tables_shown(results).values())
    return pd.concat(tables or [pd.DataFrame(columns=COLUMNS)], ignore_index=True).drop_duplicates(CELL)


def lines(axes: Axes, results: Results, cells: pd.DataFrame, method: str) -> None:
    """Slot machines of one rule, what is finetuned from them, and learned weights, of one network."""
    colours = shades(cells["options"].dropna())
    for row in rows_of(cells[(cells["n"] > 0) & cells["method"].isin([method, "learned"])]):
        rows = results.curves[results.curves["identity"].isin(row.identities)]
        if kind(row) == "learned":
            label, style = (f"learned weights, {row.variant}", ":") if row.variant else ("learned weights", "--")
            curve(axes, rows, "val_accuracy", INK, label, style)
        elif kind(row) == "finetuned":
            label = f"K = {row.options}, {row.variant} epochs"
            curve(axes, rows, "val_accuracy", COLOURS["finetuned"], label, "-.")
        else:
            curve(axes, rows, "val_accuracy", colours[row.options], f"K = {row.options}")


def draw(results: Results) -> Figure:
    """One panel per network and selection rule of which there are runs."""
    cells = cells_shown(results)
    places = [
        (dataset, network, method)
        for dataset, network, part in by_network(cells)
        for method in SLOT_METHODS
        if part.loc[part["method"] == method, "n"].any()
    ]
    figure, axes = panels(max(1, len(places)), height=3.2)
    if not places:
        axes[0].set_xticks([])
        empty(axes[0])
    for panel, (dataset, network, method) in zip(axes, places, strict=False):
        part = cells[(cells["dataset"] == dataset) & (cells["network"] == network)]
        lines(panel, results, part, method)
        panel.set(title=f"{place(dataset, network)}, {method}", xlabel="epoch", ylabel="validation accuracy (%)")
        # The same axis for both rules.
        zoom(panel, results.curves[results.curves["identity"].isin(part["identities"].explode())], "val_accuracy")
    notes = [
        "Lines: means over the seeds; bands: from the lowest to the highest seed. The axis leaves out the first "
        "epochs.",
        not_run(cells),
    ]
    return finish(figure, results.config["recipe"], "Validation accuracy during training", cells, notes)


def command(folder: ResultsFolder, reference_csv: ReferenceFile, output: PictureFile) -> None:
    """Draw validation accuracy per epoch of the slot machines and learned weights of the main experiments."""
    results = read_results(folder, reference_csv)
    sources = {name: figure_digest(results, name, table) for name, table in tables_shown(results).items()}
    with rc_context(LOOK):
        save(draw(results), output, curves_digest(sources))


if __name__ == "__main__":
    run(command)
