"""What the columns of the results mean, taken from the definitions of runs, curves and settings."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from inspect import cleandoc
from typing import Any

from slotpipeline.results.weight_histograms import BINS
from slotpipeline.runs.checked_fields import Duration, Percentage, alternatives
from slotpipeline.runs.recipe import Settings
from slotpipeline.runs.run_record import CURVE_COLUMNS, EARLY_COLUMNS, RUN_COLUMNS, CurveRow, EarlyRow, RunRecord

SETTING = "setting_"
"""Begins the name of a column that holds a setting."""
OF_THE_RUN = ("dataset", "network", "method", "options", "variant", "recipe", "seed")
"""What says of which run a row is, in the tables with several rows per run."""
_TYPES: Mapping[Any, str] = {
    str: "text", int: "whole number", float: "number", Percentage: "percent, 0 to 100", Duration: "seconds",
    bool: "text",
}  # fmt: skip


@dataclass(frozen=True)
class Column:
    """One column of a table: its type in words, whether it may be blank, and what it means."""

    name: str
    type: str
    may_be_blank: bool
    meaning: str

    @property
    def dtype(self) -> str:
        """The type as pandas names it."""
        return {"text": "str", "whole number": "Int64"}.get(self.type, "float64")


@dataclass(frozen=True)
class TidyTable:
    """One table: what a row is, and its columns."""

    row: str
    columns: Sequence[Column]


def meanings(record: type) -> dict[str, str]:
    """Field of a dataclass -> what its docstring says of it under "Attributes"."""
    text = cleandoc(record.__doc__ or "").partition("Attributes:\n")[2]
    found = {}
    for entry in re.findall(r"^ {4}(?! )(.*(?:\n {5,}.*)*)", text, re.MULTILINE):
        names, _, meaning = " ".join(entry.split()).partition(": ")
        found.update(dict.fromkeys(names.split(", "), meaning))
    return found


def _columns(record: type, names: Sequence[str], prefix: str = "") -> list[Column]:
    types, said = alternatives(record), meanings(record)
    columns = []
    for name in names:
        kinds = [kind for kind in types[name] if kind is not type(None)]
        # What may be text or a number is text; lists and mappings are JSON.
        kind = _TYPES.get(kinds[0], "text") if len(kinds) == 1 else "text"
        meaning = said[name].replace("`", "").rstrip(".")
        blank = prefix != "" or len(kinds) < len(types[name]) or name in _BLANK
        columns.append(Column(prefix + name, kind, blank, f"{meaning[0].upper()}{meaning[1:]}."))
    return columns


_BLANK = ("variant", "data_note", "tf32")
_RUN = {column.name: column for column in _columns(RunRecord, RUN_COLUMNS)}
_WHOSE = [_RUN["identity"], *(_RUN[name] for name in OF_THE_RUN)]

TIDY_TABLES: Mapping[str, TidyTable] = {
    "runs": TidyTable(
        "one finished run",
        [column for name, column in _RUN.items() if name != "settings"]
        + _columns(Settings, [one.name for one in fields(Settings)], SETTING),
    ),
    "curves": TidyTable("one epoch of one run", [*_WHOSE, *_columns(CurveRow, CURVE_COLUMNS[1:])]),
    "selected-weights": TidyTable(
        "one bin of the histogram of one weight tensor, after the best epoch",
        [
            *_WHOSE,
            Column("layer", "text", False, "Name of the layer."),
            Column(
                "bin", "whole number", False, f"Number of the bin of w / b, from 0: {BINS} equal bins from -1 to 1."
            ),
            Column("count", "whole number", False, "How many weights of the layer lie in the bin."),
        ],
    ),
    "first-epoch": TidyTable(
        "one measurement within the first epoch of a network with masks",
        [*_WHOSE, *_columns(EarlyRow, EARLY_COLUMNS[1:])],
    ),
}
"""The tables that `slotmachines export` writes."""


def dictionary_text(experiments: Mapping[str, str]) -> str:
    """The page docs/data-dictionary.md.

    Args:
        experiments: the title of each experiment, by its name.
    """
    parts = [_HEAD]
    for name, table in TIDY_TABLES.items():
        parts.append(f"## {name}\n\nA row is {table.row}.")
        whose = len(_WHOSE) if table.columns[: len(_WHOSE)] == _WHOSE else 0
        if whose:
            names = ", ".join(f"`{one.name}`" for one in _WHOSE)
            parts[-1] += f" The first columns are those of [runs](#runs) with the same names: {names}."
        parts[-1] += "\n\n" + _rows("column", [one for one in table.columns[whose:] if not _is_setting(one)])
        settings = [one for one in table.columns if _is_setting(one)]
        if settings:
            parts.append(f"The settings follow. Each may be blank.\n\n{_rows('column', settings)}")
    parts.append(f"{_EXPERIMENTS}\n\n| name | question |\n| --- | --- |")
    parts[-1] += "".join(f"\n| `{name}` | {title} |" for name, title in experiments.items())
    return "\n\n".join(parts) + "\n"


def _is_setting(column: Column) -> bool:
    return column.name.startswith(SETTING)


def _rows(head: str, columns: Sequence[Column]) -> str:
    """A table of columns in Markdown."""
    lines = [f"| {head} | type | meaning |", "| --- | --- | --- |"]
    for one in columns:
        blank = ", may be blank" if one.may_be_blank and not _is_setting(one) else ""
        lines.append(f"| `{one.name}` | {one.type}{blank} | {one.meaning.replace('|', chr(92) + '|')} |")
    return "\n".join(lines)


_HEAD = """# Columns of the results, and experiments

`slotmachines export` writes the recorded runs of a grid as a tidy table, CSV or Parquet:

    slotmachines export results/mnist runs.parquet
    slotmachines export results/mnist curves.csv.gz --table curves

Join tables by `identity`. Parquet keeps types and meanings. A blank was not measured, or does not apply.

```python
import pandas as pd

runs = pd.read_parquet("runs.parquet")
print(runs.groupby(["network", "method", "options"], dropna=False)["test_accuracy"].agg(["mean", "std", "count"]))
```

`slotmachines dictionary docs/data-dictionary.md` writes this page."""

_EXPERIMENTS = """## Experiments

Each is an entry of a grid's config, and a target of Snakemake."""
