"""The report: one HTML page with everything in it, readable offline; and the main table for the terminal."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from tabulate import tabulate

from slotmachines.errors import UserError
from slotmachines.files import replacing
from slotmachines.networks.names import network_label
from slotpipeline.analysis.cell_results import CellResult, runs_of
from slotpipeline.analysis.text import method_name, number, options_text
from slotpipeline.analysis.verdict import MEANINGS
from slotpipeline.data.datasets import dataset_label
from slotpipeline.experiments.grid import cells_of, grid_runs
from slotpipeline.experiments.outcomes import comparisons, experiment_results, findings, grid_results, measures
from slotpipeline.experiments.registry import EXPERIMENTS
from slotpipeline.reporting.claim_table import claims_of_grid, counted, readable_claims
from slotpipeline.reporting.registration import is_confirmation, registration_note, start_times
from slotpipeline.reporting.scoreboard import by_dataset, counts, readable_board, scoreboard, sentence
from slotpipeline.reporting.sources import only_planned, report_digest
from slotpipeline.reporting.tables import (
    COMPARISON_NOTE,
    chosen_note,
    data_notes,
    data_notes_of,
    notes_of,
    readable,
    readable_comparisons,
    readable_measures,
)
from slotpipeline.results.read import Results
from slotpipeline.runs.cell import Cell
from slotpipeline.runs.to_do import failures, runs_to_do


def embedded(picture: Path) -> str:
    """A PNG as a data URI."""
    try:
        content = picture.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {picture}: {error.strerror}; draw the figures before the report") from None
    return "data:image/png;base64," + base64.b64encode(content).decode()


def provenance(runs: pd.DataFrame) -> dict[str, str]:
    """What ran where and when, as lines of a list; wall hours are summed over runs, side by side or not."""

    def listed(column: str) -> str:
        return ", ".join(sorted(str(value) for value in runs[column].dropna().unique() if str(value)))

    days = sorted(str(started)[:10] for started in runs["started"].dropna())
    lines = {
        "Runs": str(len(runs)),
        "Seeds": ", ".join(str(seed) for seed in sorted(runs["seed"].unique())),
        "Recipes": listed("recipe"),
        "Device": listed("device"),
        "Processor": listed("processor"),
        "Threads per run": listed("threads"),
        "Python": listed("python"),
        "PyTorch": listed("torch"),
        "Commits": listed("commit"),
        "Started (UTC)": "" if not days else days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}",
        "Wall time, summed over runs": duration(runs["wall_seconds"].sum()),
        "Notes on the data": listed("data_note"),
        "To repeat a run": _repeating(set(runs["device"])),
    }
    return {name: text for name, text in lines.items() if text}


def _repeating(devices: set[str]) -> str:
    """What a run that is made again has in common with the first one."""
    same = "Its commit, with the packages that requirements.lock pins there (if it has one), its seed and its settings"
    processor = "give the same bits on the same kind of processor with as many threads, whatever runs beside it"
    gpu = "do not give the same bits on a GPU, to which the order of some sums is left: rounding differs"
    parts = [processor] if "cpu" in devices else []
    parts += [gpu] if devices - {"cpu"} else []
    return f"{same} {'; they '.join(parts)}."


def duration(seconds: float) -> str:
    """Seconds, minutes or hours, whichever reads best."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def costs(results: Results) -> pd.DataFrame:
    """Runs and wall time of every cell, as text; each cell once, with the seeds of all experiments that need it."""
    config, seeds = results.config, sorted(set(results.runs["seed"]))
    cells: dict[tuple[str, ...], tuple[Cell, pd.DataFrame]] = {}
    for cell in (cell for experiment in config["experiments"] for cell in cells_of(config, experiment)):
        part = runs_of(results, cell, seeds)
        cells.setdefault(tuple(part["identity"]), (cell, part))
    cells.pop((), None)
    order = list(config["networks"])
    rows = []
    for cell, part in sorted(cells.values(), key=lambda found: order.index(found[0].network)):
        rows.append(
            {
                "dataset": dataset_label(cell.dataset),
                "network": network_label(cell.network),
                "method": ", ".join(filter(None, (method_name(cell.method), cell.words))),
                "K": options_text(cell.options),
                "runs": str(len(part)),
                "epochs": " or ".join(str(length) for length in sorted(part["epochs"].unique())),
                "best epoch (median)": number(part["best_epoch"].median(), ".0f"),
                "validation accuracy (mean)": number(part["val_accuracy"].mean()),
                "wall time per run (median)": duration(part["wall_seconds"].median()),
            }
        )
    return pd.DataFrame(rows)


def write_report(results: Results, figures: Path, output: str | Path) -> None:
    """Write the report page of a grid from its results and the figures `<experiment>.png` and `curves.png`.

    Raises:
        UserError: a file is missing, damaged or cannot be written.
    """
    results = only_planned(results)
    to_do = runs_to_do(grid_runs(results.config), set(results.runs["identity"]), Path(output).parent)
    found = grid_results(results)
    board, claims = scoreboard([results]), claims_of_grid(results)
    in_reach = board["dataset"].isin(results.config["networks"].values()).any()
    environment = Environment(
        loader=PackageLoader("slotpipeline.reporting"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    page = environment.get_template("report.html.j2").render(
        config=results.config,
        source=report_digest(results, found),
        score=counts(board) if in_reach else {},
        score_sentence=sentence(board),
        score_by_dataset=by_dataset(board).to_dict("records"),
        board=readable_board(board).to_dict("records"),
        meanings=MEANINGS,
        sections=[_section(results, name, part, figures) for name, part in found.items()],
        comparison_note=COMPARISON_NOTE,
        curves=embedded(figures / "curves.png"),
        data_notes=data_notes(zip(results.runs["dataset"], results.runs["data_note"], strict=True)),
        failed=failures(to_do, Path(output).parent),
        provenance=provenance(results.runs) | registration_note(results),
        claims=readable_claims(claims).to_dict("records") if claims else [],
        claims_sentence=counted(claims.judged) if claims else "",
        starts=start_times(results.runs).to_dict("records") if is_confirmation(results) else [],
        costs=costs(results).to_dict("records"),
        dataset_label=dataset_label,
    )
    with replacing(output) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _section(results: Results, name: str, found: list[CellResult], figures: Path) -> dict[str, Any]:
    unbroken = " = ", "\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}"
    measured = measures(results, name, found)
    statements = [
        (network, [one.replace(*unbroken) for one in said])
        for network, said in findings(results, name, found, measured)
    ]
    return {
        "name": name,
        "about": EXPERIMENTS[name],
        "findings": statements,
        "picture": embedded(figures / f"{name}.png"),
        "rows": readable(found).to_dict("records"),
        "measures": readable_measures(measured).to_dict("records"),
        "comparisons": readable_comparisons(comparisons(name, found)).to_dict("records"),
        "notes": notes_of(found),
    }


def main_table_text(results: Results, style: str = "simple", *, only_run: bool = False) -> str:
    """The grid's main table: k-sweep and selection, or all experiments where the grid has neither.

    `style` is a table format of tabulate: "simple" for the terminal, "pipe" for Markdown. With `only_run`, cells
    without a run are left out. Paragraphs below the table say what the results have to mention about their data and
    their recipe.
    """
    experiments = results.config["experiments"]
    names = [name for name in ("k-sweep", "selection") if name in experiments] or list(experiments)
    cells: dict[tuple[object, ...], CellResult] = {}
    for one in (one for name in names for one in experiment_results(results, name)):
        key = (one.dataset, one.network, one.method, one.options, one.cell.words, one.epochs)
        if one.n or not only_run:
            cells.setdefault(key, one)
    networks = list(results.config["networks"])
    found = sorted(cells.values(), key=lambda one: networks.index(one.network))
    shown = readable(found).drop(columns=["variant", "epochs", "min to max", "tolerance"]).to_dict("list")
    text = str(tabulate(shown, headers="keys", tablefmt=style, disable_numparse=True))
    return "\n\n".join([text, *chosen_note(found), *data_notes_of(found)])
