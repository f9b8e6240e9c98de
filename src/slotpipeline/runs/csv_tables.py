"""Reading the project's CSV tables: each column has its type, or one line says what is wrong."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from slotmachines.errors import UserError, one_line
from slotpipeline.runs.checked_fields import Duration, Percentage, alternatives
from slotpipeline.runs.run_record import CurveRow, RunRecord

RESTORE = "restore it (git checkout), or delete it and collect again"

_PANDAS: Mapping[Any, str] = {str: "str", int: "Int64", float: "float64", Percentage: "float64", Duration: "float64"}


def _column_types(record: type) -> dict[str, str]:
    """Column -> type of a table with a column per field of a record; without fields that may be text or a number."""
    known = {
        name: [_PANDAS[one] for one in accepted if one in _PANDAS] for name, accepted in alternatives(record).items()
    }
    return {name: types[0] for name, types in known.items() if len(types) == 1}


def _of_type(wanted: Any) -> tuple[str, ...]:
    """The columns of runs and of curves whose values are all of one type, without blanks."""
    types = {**alternatives(RunRecord), **alternatives(CurveRow)}
    return tuple(name for name, accepted in types.items() if accepted == (wanted,))


# Without these an identity such as 12345678 or 1234e567 would be read as a number.
_TEXTS = ("layer", "settings", "architecture", "source", "figure", "metric", "provenance", "selection")
_NUMBERS = ("value", "low", "high", "reading_uncertainty", "seconds_per_epoch", "ratio")
_COUNTS = ("bin", "count", "step")
COLUMN_TYPES = {
    **dict.fromkeys(_TEXTS, "str"),
    **dict.fromkeys(_COUNTS, "Int64"),
    **dict.fromkeys(_NUMBERS, "float64"),
    **_column_types(RunRecord),
    **_column_types(CurveRow),
}
"""Column of any table -> its type, as pandas names it."""
_WHOLE, _PERCENTAGES = (*_COUNTS, *_of_type(int)), _of_type(Percentage)


def read_table(path: str | Path, columns: Sequence[str], absent: str, damaged: str = RESTORE) -> pd.DataFrame:
    """Read a CSV file (compressed or not) and make sure that it has `columns`.

    Args:
        absent: what to do if the file is missing.
        damaged: what to do if it cannot be read.

    Raises:
        UserError: the file is missing or unreadable, lacks a column, or holds a value of another type.
    """
    try:
        table = pd.read_csv(path, dtype=COLUMN_TYPES)
        if len(table.columns) > 0 and not isinstance(table.index, pd.RangeIndex):
            raise ValueError("its rows have more entries than columns")
        table = table.astype({name: "int64" for name in _WHOLE if name in table.columns})  # refuses blanks
        require_percentages(table)
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; {absent}") from None
    except (OSError, ValueError, TypeError, EOFError, OverflowError, zlib.error) as error:
        raise UserError(f"cannot read {path} ({one_line(error)}); {damaged}") from None
    if missing := [name for name in columns if name not in table.columns]:
        raise UserError(f"{path} lacks the columns {', '.join(missing)}; {damaged}")
    return table


def require_percentages(table: pd.DataFrame) -> None:
    """Refuse an accuracy that is missing or no percentage.

    Raises:
        ValueError: a column of the table holds such a value.
    """
    for name in set(_PERCENTAGES).intersection(table.columns):
        if not table[name].between(0, 100).all():
            raise ValueError(f"{name} must lie between 0 and 100")
