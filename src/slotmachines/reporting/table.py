"""One table per experiment: our accuracies, the paper's, and the verdict, cell by cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd

from slotmachines.errors import UserError
from slotmachines.files import replacing
from slotmachines.replication.grid import Cell, cells_of
from slotmachines.replication.recipe import recipe_name
from slotmachines.reporting.experiments import DATASET_NAMES, NETWORK_NAMES
from slotmachines.reporting.reference import Published, published, read_reference
from slotmachines.reporting.results import read_runs
from slotmachines.reporting.statistics import summarise
from slotmachines.reporting.verdict import Verdict, equivalence

DASH, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"
CELL = [field.name for field in fields(Cell)]
COLUMNS = [
    *CELL, "epochs", "n", "planned", "mean", "low", "high", "minimum", "maximum", "paper_figure", "paper_dataset",
    "paper_value", "paper_low", "paper_high", "difference", "tolerance", "verdict",
    "paper_provenance", "paper_elsewhere", "data_note", "seeds", "accuracies",
]  # fmt: skip


def runs_of(runs: pd.DataFrame, cell: Cell) -> pd.DataFrame:
    """The runs of a cell: at most one per seed, all of one length.

    Raises:
        UserError: a seed is there twice, or the runs differ in length.
    """
    same = runs[(runs["dataset"] == cell.dataset) & (runs["network"] == cell.network)]
    same = same[(same["method"] == cell.method) & (same["variant"] == cell.variant)]
    same = same if cell.options is None else same[same["options"] == cell.options]
    name = f"{cell.network} on {cell.dataset}, {cell.variant or cell.method}, K = {cell.options or '-'}"
    if same["epochs"].nunique() > 1:
        lengths = ", ".join(str(length) for length in sorted(same["epochs"].unique()))
        raise UserError(f"runs of {name} differ in length ({lengths} epochs); keep those of one length in runs.csv")
    if same["seed"].duplicated().any():
        raise UserError(f"runs of {name} hold a seed twice; keep one of them in runs.csv")
    return same.sort_values("seed")


def judge(
    accuracies: Sequence[float], cell: Cell, paper: Published | None, tolerance: Mapping[str, float]
) -> tuple[float | None, Verdict]:
    """Tolerance in points (set beforehand, plus the uncertainty of reading the paper) and verdict of a cell."""
    if paper is None or paper.dataset != cell.dataset:
        missing = Verdict.NO_COUNTERPART if paper is None else Verdict.NOT_COMPARABLE
        return None, missing if accuracies else Verdict.NOT_RUN
    if cell.dataset not in tolerance:
        raise UserError(f"no tolerance is set for {cell.dataset}; add it to `tolerance` in the grid's configuration")
    allowed = tolerance[cell.dataset] + paper.reading_uncertainty
    return allowed, equivalence(accuracies, paper.value, allowed) if accuracies else Verdict.NOT_RUN


def experiment_table(
    config: Mapping[str, Any], experiment: str, runs: pd.DataFrame, reference: pd.DataFrame
) -> pd.DataFrame:
    """One row per cell that the grid expects of an experiment, whether or not it has runs; accuracies in percent.

    Raises:
        UserError: the grid has no such experiment, or its runs or tolerances do not fit.
    """
    if experiment not in config["experiments"]:
        raise UserError(f"the grid {config['grid']} has no {experiment}; it has {', '.join(config['experiments'])}")
    runs = runs[runs["recipe"] == recipe_name(config["recipe"])]
    rows = []
    for cell in cells_of(config, experiment):
        found = runs_of(runs, cell)
        accuracies = tuple(float(accuracy) for accuracy in found["test_accuracy"])
        paper = published(reference, experiment, cell)
        tolerance, verdict = judge(accuracies, cell, paper, config["tolerance"])
        row = {**vars(cell), "n": len(accuracies), "planned": len(config["seeds"]), "accuracies": accuracies}
        row |= {"seeds": tuple(int(seed) for seed in found["seed"]), "tolerance": tolerance, "verdict": str(verdict)}
        row["data_note"] = "; ".join(sorted(set(found["data_note"]) - {""}))
        row |= {
            "paper_provenance": paper.provenance if paper else "",
            "paper_elsewhere": paper.elsewhere if paper else "",
        }
        if paper:
            row |= {"paper_figure": paper.figure, "paper_dataset": paper.dataset, "paper_value": paper.value}
            row |= {"paper_low": paper.low, "paper_high": paper.high}
        if accuracies:
            ours = summarise(accuracies)
            low, high = ours.interval or (None, None)
            row |= {"epochs": found["epochs"].iloc[0], "mean": ours.mean, "low": low, "high": high}
            row |= {"minimum": ours.minimum, "maximum": ours.maximum}
            if tolerance is not None and paper:
                row["difference"] = ours.mean - paper.value
        rows.append(row)
    table = pd.DataFrame(rows, columns=COLUMNS)
    numbers = COLUMNS[COLUMNS.index("mean") : COLUMNS.index("maximum") + 1]
    numbers += ["paper_value", "paper_low", "paper_high", "difference", "tolerance"]
    return table.astype({"options": "Int64", "epochs": "Int64"} | dict.fromkeys(numbers, float))


def experiment_tables(
    config: Mapping[str, Any], runs: pd.DataFrame, reference: pd.DataFrame
) -> dict[str, pd.DataFrame]:
    """The tables of all experiments of a grid, by name."""
    return {name: experiment_table(config, name, runs, reference) for name in config["experiments"]}


def rows_of(table: pd.DataFrame) -> list[Any]:
    """The rows of a table, with a field per column."""
    return list(table.itertuples())


def by_network(table: pd.DataFrame) -> list[tuple[str, str, pd.DataFrame]]:
    """Dataset, network and rows of every network of a table, in its order."""
    groups = table.groupby(["dataset", "network"], sort=False)
    return [(str(dataset), str(network), part) for (dataset, network), part in groups]


def number(value: float, form: str = ".2f") -> str:
    """A number for readers, with a true minus sign; a dash where there is none."""
    return DASH if pd.isna(value) else format(value, form).replace("-", MINUS)


def span(low: float, high: float) -> str:
    """A range of percentages for readers; a dash where there is none."""
    return DASH if pd.isna(low) else f"{number(low)} to {number(high)}"


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """The same rows as text, for Markdown, the terminal and the report."""

    def paper(row: Any) -> str:
        text = number(row.paper_value)
        if row.verdict == Verdict.NOT_COMPARABLE:
            text += f" on {DATASET_NAMES.get(row.paper_dataset, row.paper_dataset)}"
        return text

    return pd.DataFrame(
        {
            "dataset": DATASET_NAMES.get(row.dataset, row.dataset),
            "network": NETWORK_NAMES.get(row.network, row.network),
            "method": row.method,
            "K": DASH if pd.isna(row.options) else str(row.options),
            "variant": row.variant,
            "epochs": DASH if pd.isna(row.epochs) else str(row.epochs),
            "n": str(row.n) if row.n == row.planned else f"{row.n} of {row.planned}",
            "mean": number(row.mean),
            "95% interval": span(row.low, row.high),
            "min to max": span(row.minimum, row.maximum),
            "paper": paper(row),
            "paper's range": span(row.paper_low, row.paper_high),
            "difference": number(row.difference, "+.2f"),
            "tolerance": DASH if pd.isna(row.tolerance) else f"±{number(row.tolerance)}",
            "verdict": row.verdict,
        }
        for row in rows_of(table)
    )


def kind(row: Any) -> str:
    """What a cell is called in figures and notes."""
    return "finetuned" if row.variant == "finetuned" else str(row.method)


def cell_names(table: pd.DataFrame) -> str:
    """The cells of a table as one phrase, such as `LeNet greedy K = 2, 8; LeNet learned`."""
    found: dict[str, list[str]] = {}
    for row in rows_of(table):
        name = f"{NETWORK_NAMES.get(row.network, row.network)} {kind(row)}"
        found.setdefault(name, []).extend([] if pd.isna(row.options) else [str(row.options)])
    return "; ".join(f"{name} K = {', '.join(options)}" if options else name for name, options in found.items())


def data_notes(rows: pd.DataFrame) -> list[str]:
    """What the results in `rows` (cells, runs or epochs) have to mention about their data, a sentence per dataset."""
    noted = rows.loc[rows["data_note"] != "", ["dataset", "data_note"]].drop_duplicates()
    return [f"Data: {DATASET_NAMES.get(row.dataset, row.dataset)}, {row.data_note}." for row in rows_of(noted)]


def paper_notes(table: pd.DataFrame) -> list[str]:
    """Where the paper's numbers in a table come from, and where the paper gives another number for the same cell."""
    known = table[table["paper_provenance"] != ""]
    notes = [
        f"The paper's numbers of {cell_names(part)}: {source}."
        for source, part in known.groupby("paper_provenance", sort=False)
    ]
    for other, part in known[known["paper_elsewhere"] != ""].groupby("paper_elsewhere", sort=False):
        notes.append(f"The paper's other number of {cell_names(part)}: {other}.")
    return notes


def markdown(table: pd.DataFrame) -> str:
    """The readable table in Markdown, and its notes."""
    text = readable(table).to_markdown(index=False, disable_numparse=True)
    return "\n\n".join([text, *data_notes(table), *paper_notes(table)])


def write_tables(
    config: Mapping[str, Any], runs_csv: str | Path, reference_csv: str | Path, folder: str | Path
) -> None:
    """Write `<experiment>.csv` and `<experiment>.md` for every experiment of the grid into `folder`.

    Raises:
        UserError: a file cannot be read, a configuration does not fit, or the folder cannot be written to.
    """
    tables = experiment_tables(config, read_runs(runs_csv), read_reference(reference_csv))
    for name, table in tables.items():
        raw = table.assign(
            seeds=[" ".join(map(str, seeds)) for seeds in table["seeds"]],
            accuracies=[" ".join(f"{value:.4f}" for value in values) for values in table["accuracies"]],
        )
        with replacing(Path(folder) / f"{name}.csv") as temporary:
            raw.to_csv(temporary, index=False, float_format="%.4f")
        with replacing(Path(folder) / f"{name}.md") as temporary:
            temporary.write_text(markdown(table) + "\n", encoding="utf-8")
