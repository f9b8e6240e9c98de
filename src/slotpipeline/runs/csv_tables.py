"""Reading the project's CSV tables, whoever wrote them: each column of its kind, or one line on what is wrong."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from slotmachines.errors import UserError, one_line

RESTORE = "restore it (git checkout), or delete it and collect again"

# Without this an identity such as 12345678 or 1234e567 would be read as a number.
_TEXTS = (
    "identity", "parent", "commit", "variant", "data_note", "python", "torch", "device", "processor", "tf32", "cuda",
    "settings", "layer", "dataset", "network", "method", "recipe", "started", "architecture", "source", "figure",
    "metric", "provenance", "selection",
)  # fmt: skip
_WHOLE_OR_BLANK = ("options", "start_epoch")
_WHOLE = ("seed", "epochs", "best_epoch", "epoch", "bin", "count")
_NUMBERS = (
    "wall_seconds", "learning_rate", "train_loss", "val_loss", "changed_share", "mean_magnitude", "altered_share",
    "round", "value", "low", "high", "reading_uncertainty", "seconds_per_epoch", "ratio",
)  # fmt: skip
_PERCENTAGES = ("train_accuracy", "val_accuracy", "test_accuracy")
KINDS = {
    **dict.fromkeys(_TEXTS, "str"),
    **dict.fromkeys([*_WHOLE_OR_BLANK, *_WHOLE], "Int64"),
    **dict.fromkeys([*_NUMBERS, *_PERCENTAGES], "float64"),
}


def read_table(path: str | Path, columns: Sequence[str], absent: str, damaged: str = RESTORE) -> pd.DataFrame:
    """Read a CSV file (compressed or not) and make sure that it has `columns`.

    Args:
        absent: what to do if the file is missing.
        damaged: what to do if it cannot be read.

    Raises:
        UserError: the file is missing or unreadable, lacks a column, or holds what cannot stand in a column.
    """
    try:
        table = pd.read_csv(path, dtype=KINDS)
        if len(table.columns) > 0 and not isinstance(table.index, pd.RangeIndex):
            raise ValueError("its rows have more entries than columns")
        table = table.astype({name: "int64" for name in _WHOLE if name in table.columns})  # refuses blanks
        for name in set(_PERCENTAGES).intersection(table.columns):
            if not table[name].between(0, 100).all():
                raise ValueError(f"{name} must lie between 0 and 100")
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; {absent}") from None
    except (OSError, ValueError, TypeError, EOFError, OverflowError, zlib.error) as error:
        raise UserError(f"cannot read {path} ({one_line(error)}); {damaged}") from None
    if missing := [name for name in columns if name not in table.columns]:
        raise UserError(f"{path} lacks the columns {', '.join(missing)}; {damaged}")
    return table
