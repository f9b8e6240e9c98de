"""The tables of the report page: rows that sort by their numbers, and that lead to the runs behind them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from slotpipeline.analysis.cell_results import CellResult
from slotpipeline.analysis.claim_verdicts import ClaimVerdict, JudgedClaim
from slotpipeline.analysis.text import DASH, method_name, network_title, options_text, p_text
from slotpipeline.reporting.claim_table import JudgedClaims
from slotpipeline.reporting.claim_words import (
    full_sentence,
    needs_words,
    part_words,
    seeds_words,
    so_far,
    verdict_detail,
)
from slotpipeline.reporting.tables import readable
from slotpipeline.runs.run import with_seed


@dataclass(frozen=True)
class Entry:
    """One place of a table.

    Attributes:
        text: what it says.
        below: a second, smaller line.
        sort: what its column is sorted by; blank for the text.
        link: where the text leads.
        verdict: the verdict that it is, which gives it a colour; blank for others.
    """

    text: str
    below: str = ""
    sort: str = ""
    link: str = ""
    verdict: str = ""


@dataclass(frozen=True)
class PageTable:
    """A table of the page.

    Attributes:
        name: its id, and the name of the CSV that the page can save.
        caption: one line.
        columns: their heads; the first column names the row.
        rows: as many entries each as there are columns.
        words: the columns of text, which stand to the left.
    """

    name: str
    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Entry]]
    words: frozenset[str] = field(default_factory=frozenset)


def runs_link(run_key: str) -> str:
    """Where the page lists the runs of a cell."""
    return f"#runs-{run_key}"


def cells_table(name: str, found: Sequence[CellResult]) -> PageTable:
    """The cells of an experiment that were run, beside the published numbers."""
    run = [one for one in found if one.n]
    columns = (
        "network", "method", "K", "epochs", "n", "mean, 95% interval", "lowest to highest", "last epoch",
        "published, range", "difference, tolerance", "verdict, if the paper were exact",
    )  # fmt: skip
    rows = [_cell_row(one, words) for one, words in zip(run, readable(run).to_dict("records"), strict=True)]
    caption = "Test accuracy in percent, ours and published"
    return PageTable(f"{name}-cells", caption, columns, rows, frozenset({"network", "method", columns[-1]}))


def _cell_row(one: CellResult, words: Mapping[Hashable, str]) -> list[Entry]:
    lowest = one.ours.minimum if one.ours else None
    return [
        Entry(words["network"], words["dataset"]),
        Entry(words["method"], words["variant"]),
        Entry(words["K"], sort=str(one.options or 0)),
        Entry(words["epochs"]),
        Entry(words["n"], sort=str(one.n)),
        Entry(words["mean"], _if_known(words["95% interval"]), f"{one.mean:.4f}", runs_link(run_key(one))),
        Entry(words["min to max"], sort=_sort(lowest)),
        Entry(words["last epoch"], sort=_sort(one.last_epoch)),
        Entry(words["paper"], _if_known(words["paper's range"]), _sort(one.paper.value if one.paper else None)),
        Entry(words["difference"], _if_known(words["tolerance"]), _sort(one.difference)),
        Entry(words["verdict"], _if_known(words["if the paper were exact"]), verdict=one.verdict),
    ]


def _if_known(text: str) -> str:
    return "" if text == DASH else text


def missing_table(name: str, found: Sequence[CellResult]) -> PageTable:
    """The cells of an experiment that were not run."""
    missing = [one for one in found if not one.n]
    columns = ("network", "method", "K", "seeds planned", "published")
    rows = [
        [
            Entry(words["network"], words["dataset"]),
            Entry(words["method"], words["variant"]),
            Entry(words["K"], sort=str(one.options or 0)),
            Entry(str(one.planned)),
            Entry(words["paper"], sort=_sort(one.paper.value if one.paper else None)),
        ]
        for one, words in zip(missing, readable(missing).to_dict("records"), strict=True)
    ]
    return PageTable(f"{name}-missing", "Cells that were not run", columns, rows, frozenset({"network", "method"}))


def claims_table(claims: JudgedClaims) -> PageTable:
    """The claims of a grid that have counted runs."""
    columns = ("claim", "tested on", "verdict", "result (90% interval)", "supported if", "seeds", "p, Holm", "table")
    rows = [_claim_row(claims, one) for one in claims.judged if one.verdict is not ClaimVerdict.NOT_RUN]
    words = frozenset({"claim", "tested on", "verdict", "result (90% interval)", "supported if", "seeds", "table"})
    return PageTable("claim-verdicts", "The registered claims that were tested", columns, rows, words)


def _claim_row(claims: JudgedClaims, one: JudgedClaim) -> list[Entry]:
    extension = "an extension: the paper claims it for other networks" if one.is_extension else ""
    experiments = [Path(table).stem for table in claims.tables_of(one)]
    first = experiments[0] if experiments else ""
    return [
        Entry(full_sentence(one.claim)),
        Entry(network_title(one.scope.dataset, one.scope.network), extension),
        Entry(f"{one.verdict}{so_far(one)}{claims.mark(one)}", verdict_detail(one), verdict=one.verdict),
        Entry("; ".join(part_words(one, part) for part in one.deciding)),
        Entry(needs_words(one)),
        Entry(seeds_words(one)),
        Entry(p_text(one.p_value), p_text(one.corrected) if one.corrected is not None else ""),
        Entry(first, ", ".join(experiments[1:]), link=f"#{first}" if first else ""),
    ]


def text_table(name: str, caption: str, table: pd.DataFrame, words: Iterable[str]) -> PageTable:
    """A table of text as it is; numbers sort as numbers, whatever minus sign they have."""
    rows = [[Entry(text, sort=_plain(text)) for text in row] for row in table.itertuples(index=False)]
    return PageTable(name, caption, tuple(table.columns), rows, frozenset(words))


def run_key(one: CellResult) -> str:
    """What tells the cell of a result from all others of the grid, whichever experiment has it: a run's identity."""
    return with_seed(one.run, 0).identity


def cell_title(one: CellResult) -> str:
    """A cell in words."""
    options = "" if one.options is None else f", K = {options_text(one.options)}"
    return f"{method_name(one.method)}{options}" + (f", {one.cell.words}" if one.cell.words else "")


def _sort(value: float | None) -> str:
    return "" if value is None or pd.isna(value) else f"{value:.4f}"


def _plain(text: str) -> str:
    """A number as programs write it; blank for other text."""
    plain = text.replace("\N{MINUS SIGN}", "-").replace("±", "").replace("+", "").replace("%", "").strip("< ")
    try:
        float(plain)
    except ValueError:
        return ""
    return "" if plain == text else plain
