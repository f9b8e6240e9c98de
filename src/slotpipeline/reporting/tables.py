"""One table per experiment: our accuracies, the paper's, and the verdict, cell by cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from slotmachines.errors import UserError
from slotmachines.methods import METHODS, RIVALS
from slotmachines.networks.names import network_label
from slotpipeline.analysis.statistics import summarise
from slotpipeline.analysis.verdict import Verdict, equivalence
from slotpipeline.data.datasets import dataset_label
from slotpipeline.experiments.grid import cell_runs, cells_of, seeds_of
from slotpipeline.results.read import Results
from slotpipeline.results.reference import Published, published
from slotpipeline.runs.cell import Cell, cell_run

DASH, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"
CHOSEN = "\N{DAGGER}"
CELL = ["dataset", "network", "method", "options", "variant"]
COLUMNS = [
    *CELL, "start_epoch", "epochs", "n", "planned", "mean", "low", "high", "minimum", "maximum", "val_mean",
    "paper_figure", "paper_dataset", "paper_value", "paper_low", "paper_high", "difference", "tolerance", "verdict",
    "chosen_by", "paper_provenance", "paper_elsewhere", "data_note", "seeds", "accuracies", "identities",
]  # fmt: skip


def runs_of(results: Results, cell: Cell, seeds: Sequence[int]) -> pd.DataFrame:
    """The runs of a cell that there are, in the order of `seeds`, known by their identities and not their labels."""
    identities = [run.identity for run in cell_runs(results.config, cell, seeds)]
    runs = results.runs[results.runs["identity"].isin(identities)]
    return runs.sort_values("identity", key=lambda column: column.map(identities.index))


def is_chosen_by(config: Mapping[str, Any], cell: Cell) -> bool:
    """Whether the runs of a cell are some of those by whose closeness to the paper the recipe was chosen."""
    if cell.method != "greedy" or cell.options not in config.get("chosen_by", {}).get(cell.network, []):
        return False
    plain = Cell(cell.dataset, cell.network, cell.method, cell.options)
    return cell_run(config, cell, 0).identity == cell_run(config, plain, 0).identity


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


def experiment_table(results: Results, experiment: str) -> pd.DataFrame:
    """One row per cell that the grid expects of an experiment, whether or not it has runs; accuracies in percent.

    Raises:
        UserError: the grid has no such experiment, or its tolerances do not fit.
    """
    config = results.config
    if experiment not in config["experiments"]:
        raise UserError(f"the grid {config['grid']} has no {experiment}; it has {', '.join(config['experiments'])}")
    rows = [_row(results, experiment, cell) for cell in cells_of(config, experiment)]
    table = pd.DataFrame(rows, columns=COLUMNS)
    numbers = COLUMNS[COLUMNS.index("mean") : COLUMNS.index("val_mean") + 1]
    numbers += ["paper_value", "paper_low", "paper_high", "difference", "tolerance"]
    whole = {"options": "Int64", "epochs": "Int64", "start_epoch": "Int64"}
    return table.astype(whole | dict.fromkeys(numbers, float))


def _row(results: Results, experiment: str, cell: Cell) -> dict[str, Any]:
    config, seeds = results.config, seeds_of(results.config, experiment)
    found = runs_of(results, cell, seeds)
    accuracies = tuple(float(accuracy) for accuracy in found["test_accuracy"])
    paper = published(results.reference, experiment, cell)
    tolerance, verdict = judge(accuracies, cell, paper, config["tolerance"])
    row = {name: getattr(cell, name) for name in CELL}
    row |= {
        "start_epoch": cell.start_epoch or None,
        "n": len(accuracies),
        "planned": len(cell_runs(config, cell, seeds)),
        "accuracies": accuracies,
        "seeds": tuple(int(seed) for seed in found["seed"]),
        "identities": tuple(found["identity"]),
        "tolerance": tolerance,
        "verdict": str(verdict),
        "chosen_by": is_chosen_by(config, cell),
        "data_note": "; ".join(sorted(set(found["data_note"]) - {""})),
        "paper_provenance": paper.provenance if paper else "",
        "paper_elsewhere": paper.elsewhere if paper else "",
    }  # fmt: skip
    if paper:
        row |= {"paper_figure": paper.figure, "paper_dataset": paper.dataset, "paper_value": paper.value}
        row |= {"paper_low": paper.low, "paper_high": paper.high}
    if accuracies:
        ours = summarise(accuracies)
        low, high = ours.interval or (None, None)
        row |= {"epochs": found["epochs"].iloc[0], "mean": ours.mean, "low": low, "high": high}
        row |= {"minimum": ours.minimum, "maximum": ours.maximum, "val_mean": found["val_accuracy"].mean()}
        if tolerance is not None and paper:
            row["difference"] = ours.mean - paper.value
    return row


def experiment_tables(results: Results) -> dict[str, pd.DataFrame]:
    """The tables of all experiments of a grid, by name."""
    return {name: experiment_table(results, name) for name in results.config["experiments"]}


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
            text += f" on {dataset_label(row.paper_dataset)}"
        return text

    return pd.DataFrame(
        {
            "dataset": dataset_label(row.dataset),
            "network": network_label(row.network),
            "method": method_name(row.method),
            "K": DASH if pd.isna(row.options) else str(row.options),
            "variant": row.variant,
            "epochs": DASH if pd.isna(row.epochs) else str(row.epochs),
            "n": str(row.n) if row.n >= row.planned else f"{row.n} of {row.planned}",
            "mean": number(row.mean),
            "95% interval": span(row.low, row.high),
            "min to max": span(row.minimum, row.maximum),
            "paper": paper(row),
            "paper's range": span(row.paper_low, row.paper_high),
            "difference": number(row.difference, "+.2f"),
            "tolerance": DASH if pd.isna(row.tolerance) else f"±{number(row.tolerance)}",
            "verdict": row.verdict + (f" {CHOSEN}" if row.chosen_by else ""),
        }
        for row in rows_of(table)
    )


def kind(row: Any) -> str:
    """What a cell is called in figures and notes."""
    return "finetuned" if not pd.isna(row.start_epoch) else str(row.method)


def method_name(method: str) -> str:
    """What tables and sentences call a method: a rival by its label, ours by their names."""
    return METHODS[method].label if method in RIVALS else method


def cell_names(table: pd.DataFrame) -> str:
    """The cells of a table as one phrase, such as `LeNet greedy K = 2, 8; LeNet learned`."""
    found: dict[str, list[str]] = {}
    for row in rows_of(table):
        name = f"{network_label(row.network)} {method_name(kind(row))}"
        found.setdefault(name, []).extend([] if pd.isna(row.options) else [str(row.options)])
    return "; ".join(
        f"{name} K = {', '.join(dict.fromkeys(options))}" if options else name for name, options in found.items()
    )


def data_notes(rows: pd.DataFrame) -> list[str]:
    """What the results in `rows` (cells, runs or epochs) have to mention about their data, a sentence per dataset."""
    noted = rows.loc[rows["data_note"] != "", ["dataset", "data_note"]].drop_duplicates()
    return [f"Data: {dataset_label(row.dataset)}, {row.data_note}." for row in rows_of(noted)]


def paper_notes(table: pd.DataFrame) -> list[str]:
    """Where the paper's numbers in a table come from, and where the paper gives another number for the same cell."""
    known = table[table["paper_provenance"] != ""]
    notes = [
        f"Published numbers of {cell_names(part)}: {source}."
        for source, part in known.groupby("paper_provenance", sort=False)
    ]
    for other, part in known[known["paper_elsewhere"] != ""].groupby("paper_elsewhere", sort=False):
        notes.append(f"The paper's other number of {cell_names(part)}: {other}.")
    return notes


def chosen_note(table: pd.DataFrame) -> list[str]:
    """What the dagger means, where a table has one."""
    note = f"{CHOSEN}: the recipe was chosen because this cell came close to the paper; no independent evidence."
    return [note] if table["chosen_by"].any() else []


def markdown(table: pd.DataFrame) -> str:
    """The readable table in Markdown, and its notes."""
    text = readable(table).to_markdown(index=False, disable_numparse=True)
    return "\n\n".join([text, *chosen_note(table), *data_notes(table), *paper_notes(table)])


def csv_text(table: pd.DataFrame) -> str:
    """The table as CSV."""
    raw = table.assign(
        seeds=[" ".join(map(str, seeds)) for seeds in table["seeds"]],
        accuracies=[" ".join(f"{value:.4f}" for value in values) for values in table["accuracies"]],
        identities=[" ".join(identities) for identities in table["identities"]],
    )
    return str(raw.to_csv(index=False, float_format="%.4f"))
