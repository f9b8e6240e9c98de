"""Reading the small result files that tables, figures and the report are made of."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from slotmachines.errors import UserError
from slotmachines.replication.collect import COLUMNS

# What tables, figures and report need; the other columns say more about a run, and results from before them count too.
RUN_COLUMNS = [name for name in COLUMNS if name not in ("parent", "tf32", "cuda")]
CURVE_COLUMNS = [
    "identity", "epoch", "learning_rate", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "test_accuracy",
    "changed_share", "mean_magnitude",
]  # fmt: skip
# Without this an identity such as 12345678 or 1234e567 would be read as a number.
TEXT = ["identity", "commit", "variant", "data_note", "python", "torch", "device", "processor"]
TYPES = dict.fromkeys(TEXT, "str") | dict.fromkeys(["options", "start_epoch"], "Int64")


def read_table(path: str | Path, columns: list[str], absent: str) -> pd.DataFrame:
    """Read a CSV file (compressed or not) and make sure that it has `columns`; `absent`: what to do if it is missing.

    Raises:
        UserError: the file is missing, unreadable or lacks a column.
    """
    try:
        table = pd.read_csv(path, dtype={name: kind for name, kind in TYPES.items() if name in columns})
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; {absent}") from None
    except (OSError, ValueError, EOFError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"cannot read {path} ({reason}); delete it and make it again") from None
    if missing := [name for name in columns if name not in table.columns]:
        raise UserError(f"{path} lacks the columns {', '.join(missing)}; delete it and make it again")
    return table


def run_first(path: str | Path) -> str:
    """How to make a missing file of results/<grid>/."""
    grid = Path(path).resolve().parent.name
    return f"run the grid first: snakemake --cores all --configfile config/{grid}.yaml"


def read_runs(path: str | Path) -> pd.DataFrame:
    """Read `runs.csv`, one row per run; a blank variant or data note becomes the empty string."""
    runs = read_table(path, RUN_COLUMNS, run_first(path))
    return runs.fillna({"variant": "", "data_note": ""})


def read_curves(path: str | Path) -> pd.DataFrame:
    """Read `curves.csv.gz`, one row per run and epoch."""
    return read_table(path, CURVE_COLUMNS, run_first(path))
