"""The report: one HTML page with everything in it, readable offline; and the main table for the terminal."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from tabulate import tabulate

from slotmachines.errors import UserError
from slotmachines.files import replacing
from slotmachines.replication.recipe import recipe_name
from slotmachines.reporting.experiments import DATASET_NAMES, EXPERIMENTS, NETWORK_NAMES
from slotmachines.reporting.findings import findings
from slotmachines.reporting.reference import read_reference
from slotmachines.reporting.results import read_runs
from slotmachines.reporting.summary import scoreboard
from slotmachines.reporting.table import (
    CELL,
    DASH,
    data_notes,
    experiment_table,
    experiment_tables,
    number,
    paper_notes,
    readable,
    rows_of,
)
from slotmachines.reporting.verdict import MEANINGS


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
        "Recipe": listed("recipe"),
        "Device": listed("device"),
        "Processor": listed("processor"),
        "Threads per run": listed("threads"),
        "Python": listed("python"),
        "PyTorch": listed("torch"),
        "Commits": listed("commit"),
        "Started (UTC)": "" if not days else days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}",
        "Wall time, summed over runs": duration(runs["wall_seconds"].sum()),
        "Notes on the data": listed("data_note"),
    }
    return {name: text for name, text in lines.items() if text}


def duration(seconds: float) -> str:
    """Seconds, minutes or hours, whichever reads best."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def costs(runs: pd.DataFrame) -> pd.DataFrame:
    """Runs and wall time of every cell, as text; a range over runs where they differ."""
    rows = []
    for _, part in runs.groupby(CELL, dropna=False, sort=False):
        first = rows_of(part)[0]
        epochs = sorted(part["epochs"].unique())
        rows.append(
            {
                "dataset": DATASET_NAMES.get(first.dataset, first.dataset),
                "network": NETWORK_NAMES.get(first.network, first.network),
                "method": f"{first.method}, {first.variant}" if first.variant else first.method,
                "K": DASH if pd.isna(first.options) else str(first.options),
                "runs": str(len(part)),
                "epochs": " or ".join(str(length) for length in epochs),
                "best epoch (median)": number(part["best_epoch"].median(), ".0f"),
                "validation accuracy (mean)": number(part["val_accuracy"].mean()),
                "wall time per run (median)": duration(part["wall_seconds"].median()),
            }
        )
    return pd.DataFrame(rows)


def write_report(
    config: Mapping[str, Any],
    grid_folder: str | Path,
    figures_folder: str | Path,
    reference_csv: str | Path,
    output: str | Path,
) -> None:
    """Write the report page of a grid from `grid_folder`/runs.csv and the figures `<experiment>.png` and `curves.png`.

    Raises:
        UserError: a file is missing, damaged or cannot be written.
    """
    everything = read_runs(Path(grid_folder) / "runs.csv")
    runs = everything[everything["recipe"] == recipe_name(config["recipe"])]
    tables = experiment_tables(config, everything, read_reference(reference_csv))
    order = {name: i for i, name in enumerate(config["networks"])}
    by_network = runs.sort_values(["network", "method", "variant", "options"], key=lambda column: column.replace(order))
    environment = Environment(
        loader=PackageLoader("slotmachines.reporting"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    sections = [
        {
            "name": name,
            "about": EXPERIMENTS[name],
            "findings": [
                sentence.replace(" = ", "\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}") for sentence in findings(name, table)
            ],
            "picture": embedded(Path(figures_folder) / f"{name}.png"),
            "rows": readable(table).to_dict("records"),
            "notes": data_notes(table) + paper_notes(table),
        }
        for name, table in tables.items()
    ]
    page = environment.get_template("report.html.j2").render(
        config=config,
        score=scoreboard(tables),
        meanings=MEANINGS,
        sections=sections,
        curves=embedded(Path(figures_folder) / "curves.png"),
        data_notes=data_notes(runs),
        provenance=provenance(runs),
        costs=costs(by_network).to_dict("records"),
        datasets=DATASET_NAMES,
    )
    with replacing(output) as temporary:
        temporary.write_text(page, encoding="utf-8")


def main_table_text(
    config: Mapping[str, Any], runs_csv: str | Path, reference_csv: str | Path, style: str = "simple"
) -> str:
    """The grid's main table: k-sweep and selection, or all experiments where the grid has neither.

    `style` is a table format of tabulate: "simple" for the terminal, "pipe" for Markdown. A paragraph below the table
    says what the results have to mention about their data.
    """
    names = [name for name in ("k-sweep", "selection") if name in config["experiments"]] or list(config["experiments"])
    runs, reference = read_runs(runs_csv), read_reference(reference_csv)
    table = pd.concat([experiment_table(config, name, runs, reference) for name in names])
    networks = list(config["networks"])
    table = table.drop_duplicates([*CELL, "epochs"]).sort_values(
        "network", key=lambda column: column.map(networks.index), kind="stable"
    )
    shown = readable(table).drop(columns=["variant", "epochs", "min to max", "tolerance"]).to_dict("list")
    text = str(tabulate(shown, headers="keys", tablefmt=style, disable_numparse=True))
    return "\n\n".join([text, *data_notes(table)])
