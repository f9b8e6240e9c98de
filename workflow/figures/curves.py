"""Validation accuracy per epoch: one panel per network and selection rule, one line per K."""

from __future__ import annotations

from matplotlib import rc_context
from matplotlib.axes import Axes

from slotmachines.methods import SLOT_METHODS
from slotpipeline.analysis.cell_results import CellResult, by_network, identities_of
from slotpipeline.analysis.text import network_title
from slotpipeline.command import PictureFile, ReferenceFile, ResultsFolder, run
from slotpipeline.experiments.outcomes import experiment_results
from slotpipeline.reporting.drawing import Drawing, finish, not_run, nothing_run, save
from slotpipeline.reporting.marks import curve, options_of, zoom
from slotpipeline.reporting.sources import IN_CURVES, curves_digest, figure_digest
from slotpipeline.reporting.style import COLOURS, INK, LOOK, panels, shades
from slotpipeline.results.read import Results, read_results


def results_shown(results: Results) -> dict[str, list[CellResult]]:
    """Experiment -> its cells, of those whose curves are drawn."""
    return {name: experiment_results(results, name) for name in IN_CURVES if name in results.config["experiments"]}


def cells_shown(results: Results) -> list[CellResult]:
    """The cells whose curves are drawn, each once."""
    cells: dict[tuple[object, ...], CellResult] = {}
    for one in (one for found in results_shown(results).values() for one in found):
        cells.setdefault((one.dataset, one.network, one.method, one.options, one.cell.variant), one)
    return list(cells.values())


def lines(axes: Axes, results: Results, found: list[CellResult], method: str) -> None:
    """Slot machines of one rule, what is finetuned from them, and learned weights, of one network."""
    colours = shades(options_of(found))
    for one in found:
        if not one.n or one.method not in (method, "learned"):
            continue
        rows = results.curves[results.curves["identity"].isin(one.identities)]
        if one.shown_method == "learned":
            label = f"learned weights, {one.cell.words}" if one.cell.variant else "learned weights"
            curve(axes, rows, "val_accuracy", INK, label, ":" if one.cell.variant else "--")
        elif one.shown_method == "finetuned":
            label = f"K = {one.options}, {one.cell.words} epochs"
            curve(axes, rows, "val_accuracy", COLOURS["finetuned"], label, "-.")
        else:
            curve(axes, rows, "val_accuracy", colours[one.options], f"K = {one.options}")


def draw(results: Results) -> Drawing:
    """One panel per network and selection rule of which there are runs."""
    cells = cells_shown(results)
    shown = [
        (f"{network_title(dataset, network)}, {method}", method, part)
        for dataset, network, part in by_network(cells)
        for method in SLOT_METHODS
        if any(one.n for one in part if one.method == method)
    ]
    title = "Validation accuracy during training"
    if not shown:
        return nothing_run(title)
    figure, axes = panels(len(shown), height=3.2)
    for panel, (name, method, part) in zip(axes, shown, strict=True):
        lines(panel, results, part, method)
        panel.set(title=name, xlabel="epoch", ylabel="validation accuracy (%)")
        # The same axis for both rules.
        zoom(panel, results.curves[results.curves["identity"].isin(identities_of(part))], "val_accuracy")
    notes = [
        "Lines: means over the seeds; bands: from the lowest to the highest seed. The axis leaves out the first "
        "epochs.",
        not_run(cells),
    ]
    return finish(figure, results.config["recipe"], title, cells, notes)


def command(folder: ResultsFolder, reference_csv: ReferenceFile, output: PictureFile) -> None:
    """Draw validation accuracy per epoch of the slot machines and learned weights of the main experiments."""
    results = read_results(folder, reference_csv)
    sources = {name: figure_digest(results, name, found) for name, found in results_shown(results).items()}
    with rc_context(LOOK):
        save(draw(results), output, curves_digest(sources))


if __name__ == "__main__":
    run(command)
