"""One table per experiment: our accuracies, the paper's, and the verdict, cell by cell; as text and as CSV."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from io import StringIO
from typing import Any

import pandas as pd

from slotmachines.networks.names import network_label
from slotpipeline.analysis.cell_results import CellResult
from slotpipeline.analysis.comparisons import Comparison, label
from slotpipeline.analysis.evidence import Measured
from slotpipeline.analysis.text import DASH, interval_text, method_name, number, options_text, p_text, span
from slotpipeline.analysis.verdict import Verdict
from slotpipeline.data.datasets import dataset_label

CHOSEN = "\N{DAGGER}"
CHOSE_NOTE = f"{CHOSEN}: the recipe was chosen because this cell came close to the paper; no independent evidence."
COLUMNS = [
    "dataset", "network", "method", "options", "variant", "start_epoch", "epochs", "n", "planned", "mean", "low",
    "high", "minimum", "maximum", "val_mean", "last_epoch_mean", "paper_figure", "paper_dataset", "paper_value",
    "paper_low", "paper_high", "reading_uncertainty", "difference", "tolerance", "verdict", "verdict_if_exact",
    "verdict_n", "verdict_low", "verdict_high", "chosen_by", "paper_provenance", "paper_elsewhere", "data_note",
    "seeds", "accuracies", "identities",
]  # fmt: skip
_NUMBERS = frozenset({
    "mean", "low", "high", "minimum", "maximum", "val_mean", "last_epoch_mean", "paper_value", "paper_low",
    "paper_high", "difference", "tolerance", "reading_uncertainty", "verdict_low", "verdict_high",
})  # fmt: skip


def verdict_text(found: CellResult) -> str:
    """The verdict of a cell, marked where the cell chose the recipe, with the seeds that it counts if these differ."""
    mark = f" {CHOSEN}" if found.is_chosen_by else ""
    seeds = f" (n = {found.judged.n})" if found.judged.n not in (0, found.n) else ""
    return f"{found.verdict}{mark}{seeds}"


def _if_exact(found: CellResult) -> str:
    """The verdict without the spread of the paper's own seeds; a dash where there is no verdict."""
    return str(found.judged.if_exact) if found.judged.n else DASH


def _row(found: CellResult) -> dict[str, Any]:
    """A row of the CSV."""
    low, high = found.interval or (None, None)
    row = {
        "dataset": found.dataset, "network": found.network, "method": found.method, "options": found.options,
        "variant": found.cell.words, "start_epoch": found.cell.start_epoch or None, "epochs": found.epochs,
        "n": found.n, "planned": found.planned, "mean": found.mean, "low": low, "high": high,
        "minimum": found.ours and found.ours.minimum, "maximum": found.ours and found.ours.maximum,
        "val_mean": found.validation, "last_epoch_mean": found.last_epoch, "difference": found.difference,
        "tolerance": found.tolerance,
        "verdict": str(found.verdict), "verdict_if_exact": str(found.judged.if_exact), "verdict_n": found.judged.n,
        "verdict_low": found.judged.low, "verdict_high": found.judged.high, "chosen_by": found.is_chosen_by,
        "data_note": found.data_note, "paper_provenance": "", "paper_elsewhere": "",
        "seeds": " ".join(map(str, found.seeds)),
        "accuracies": " ".join(f"{value:.4f}" for value in found.accuracies),
        "identities": " ".join(found.identities),
    }  # fmt: skip
    if paper := found.paper:
        row |= {
            "paper_figure": paper.figure, "paper_dataset": paper.dataset, "paper_value": paper.value,
            "paper_low": paper.low, "paper_high": paper.high, "reading_uncertainty": paper.reading_uncertainty,
            "paper_provenance": paper.provenance, "paper_elsewhere": paper.elsewhere,
        }  # fmt: skip
    return row


def csv_text(found: Iterable[CellResult]) -> str:
    """The table of an experiment as CSV, one row per cell."""
    text = StringIO()
    # Not pandas, which takes twenty times as long for a few rows of many columns.
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for one in found:
        row = _row(one)
        table.writerow(_decimals(row.get(name)) if name in _NUMBERS else row.get(name) for name in COLUMNS)
    return text.getvalue()


def _decimals(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.4f}"


def readable(found: Iterable[CellResult]) -> pd.DataFrame:
    """The same rows as text, for Markdown, the terminal and the report."""
    return pd.DataFrame(
        {
            "dataset": dataset_label(one.dataset),
            "network": network_label(one.network),
            "method": method_name(one.method),
            "K": options_text(one.options),
            "variant": one.cell.words,
            "epochs": options_text(one.epochs),
            "n": str(one.n) if one.n >= one.planned else f"{one.n} of {one.planned}",
            "mean": number(one.mean),
            "95% interval": f"collapsed {one.collapsed} of {one.n}" if one.collapsed else interval_text(one.interval),
            "min to max": span(one.ours.minimum, one.ours.maximum) if one.ours else DASH,
            "last epoch": number(one.last_epoch),
            "paper": _paper(one),
            "paper's range": span(one.paper.low, one.paper.high) if one.paper else DASH,
            "difference": number(one.difference, "+.2f"),
            "tolerance": DASH if one.tolerance is None else f"±{number(one.tolerance)}",
            "verdict": verdict_text(one),
            "if the paper were exact": _if_exact(one),
        }
        for one in found
    )


def _paper(found: CellResult) -> str:
    if found.paper is None:
        return DASH
    elsewhere = f" on {dataset_label(found.paper.dataset)}" if found.verdict == Verdict.NOT_COMPARABLE else ""
    return number(found.paper.value) + elsewhere


def cell_names(found: Iterable[CellResult]) -> str:
    """Some cells as one phrase, such as `LeNet greedy K = 2, 8; LeNet learned`."""
    names: dict[str, list[str]] = {}
    for one in found:
        name = f"{network_label(one.network)} {method_name(one.shown_method)}"
        names.setdefault(name, []).extend([] if one.options is None else [str(one.options)])
    return "; ".join(
        f"{name} K = {', '.join(dict.fromkeys(options))}" if options else name for name, options in names.items()
    )


def data_notes(noted: Iterable[tuple[str, str]]) -> list[str]:
    """What some results have to mention about their data, a sentence each, from pairs of a dataset and a note."""
    return [f"Data: {dataset_label(dataset)}, {note}." for dataset, note in dict.fromkeys(noted) if note]


def data_notes_of(found: Iterable[CellResult]) -> list[str]:
    """What the results of some cells have to mention about their data."""
    return data_notes((one.dataset, one.data_note) for one in found)


def paper_notes(found: Sequence[CellResult]) -> list[str]:
    """Where the paper's numbers in a table come from, and where the paper gives another number for the same cell."""
    sources: dict[str, list[CellResult]] = {}
    others: dict[str, list[CellResult]] = {}
    for one in found:
        if one.paper and one.paper.provenance:
            sources.setdefault(one.paper.provenance, []).append(one)
            if one.paper.elsewhere:
                others.setdefault(one.paper.elsewhere, []).append(one)
    return [
        *(f"Published numbers of {cell_names(part)}: {source}." for source, part in sources.items()),
        *(f"The paper's other number of {cell_names(part)}: {other}." for other, part in others.items()),
    ]


def chosen_note(found: Iterable[CellResult]) -> list[str]:
    """What the dagger means, where a table has one."""
    return [CHOSE_NOTE] if any(one.is_chosen_by for one in found) else []


def notes_of(found: Sequence[CellResult]) -> list[str]:
    """The notes below the table of an experiment."""
    return [*chosen_note(found), *data_notes_of(found), *paper_notes(found)]


def readable_measures(measured: Sequence[Measured]) -> pd.DataFrame:
    """What was measured as text, beside the names of the cells; a column per quantity."""
    quantities = dict.fromkeys(quantity for one in measured for quantity in one.values)
    return pd.DataFrame(
        {
            "network": network_label(one.result.network),
            "method": method_name(one.result.method),
            "K": options_text(one.result.options),
            "variant": one.result.cell.words,
        }
        | {quantity.words: number(one.values.get(quantity), ".3g") for quantity in quantities}
        for one in measured
    )


COMPARISON_NOTE = (
    "Differences are in points of test accuracy, with uncorrected intervals. Runs of one seed share the order of the "
    "images and, where they draw the same options, their random values; they are compared as pairs (Student's t; "
    "effect size: the mean of the differences by their standard deviation). Cells without two common seeds are "
    "compared by Welch's t-test (effect size: by the pooled standard deviation). The last column is corrected for all "
    "comparisons of this table (Holm). Below five seeds, cells of one network that vary alike share their spread: the "
    "residual of a two-way analysis of variance of cells and seeds. A cell that varies more than the others (Cochran's "
    "C test, 5%), or not at all, and a pair whose differences vary more, keep their own. A difference of three seeds "
    "that does not pass is open, not absent. "
    "Below five seeds there is no effect size. Where seeds of a cell collapsed (ended more than 10 points below its "
    "best one) its mean is not tested."
)


def readable_comparisons(compared: Sequence[Comparison]) -> pd.DataFrame:
    """The comparisons as text, one row each."""
    return pd.DataFrame(
        {
            "network": network_label(one.first.network),
            "dataset": dataset_label(one.first.dataset),
            "compared": label(one.first),
            "with": label(one.second),
            "pairs": str(one.difference.pairs) if one.difference.pairs else "not paired",
            "spread of": f"{one.pooled} cells" if one.pooled else "this pair",
            "difference": number(one.difference.mean, "+.2f"),
            "95% interval": interval_text(one.difference.interval, "+.2f"),
            "effect size": number(one.effect, "+.1f"),
            "p": p_text(one.difference.p_value),
            "p, corrected": p_text(one.corrected),
        }
        for one in compared
    )


def markdown(rows: pd.DataFrame) -> str:
    """A table of text in Markdown."""
    return rows.to_markdown(index=False, disable_numparse=True)


WORDS = ("dataset", "network", "method", "variant", "compared", "with", "pairs", "spread of", "verdict")
"""The columns that are no numbers."""


def latex(rows: pd.DataFrame) -> str:
    """A table of text in LaTeX, for the package booktabs, without a dataset, network or variant that all rows share."""
    shared = [name for name in ("dataset", "network", "variant") if name in rows and rows[name].nunique() == 1]
    told = rows.drop(columns=shared)
    aligned = "".join("l" if name in WORDS else "r" for name in told)
    head, *body = [f"{' & '.join(map(latex_text, entries))} \\\\" for entries in (told.columns, *told.to_numpy())]
    rules = [r"\toprule", head, r"\midrule", *body, r"\bottomrule"]
    return "\n".join([rf"\begin{{tabular}}{{{aligned}}}", *rules, r"\end{tabular}", ""])


def latex_text(value: object) -> str:
    """A text with what LaTeX would take for commands written out."""
    text = str(value)
    for plain, written in _LATEX.items():
        text = text.replace(plain, written)
    return text


_LATEX = {
    "&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#", "^": r"\^{}", "<": r"$<$", "±": r"$\pm$", "|": r"$|$",
    "\N{MINUS SIGN}": "$-$", "\N{EN DASH}": "--", CHOSEN: r"$^\dagger$",
}  # fmt: skip
