"""The recorded runs of a grid as one tidy table, CSV or Parquet, for other programs."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pandas as pd

from slotmachines.errors import UserError, did_you_mean
from slotmachines.files import replacing
from slotpipeline.results.collect import CURVES_CSV, EARLY_CSV, RUNS_CSV, SELECTED_CSV
from slotpipeline.results.data_dictionary import OF_THE_RUN, SETTING, TIDY_TABLES
from slotpipeline.results.read import read_curves, read_first_epoch, read_runs, read_selected
from slotpipeline.runs.recipe import Settings

_READERS: Mapping[str, tuple[str, Callable[[Path], pd.DataFrame]]] = {
    "curves": (CURVES_CSV, read_curves),
    "selected-weights": (SELECTED_CSV, read_selected),
    "first-epoch": (EARLY_CSV, read_first_epoch),
}


def export(results: Path, output: Path, table: str) -> int:
    """Write a table of a grid's recorded runs, and return how many rows it has.

    Args:
        results: the grid's folder of results.
        output: ends in .csv, .csv.gz or .parquet, which says the format.
        table: a name of `TIDY_TABLES`.

    Raises:
        UserError: an unknown table or ending, a result file that is missing or damaged, or a file that cannot be
            written.
    """
    ending = next((one for one in (".csv.gz", ".csv", ".parquet") if output.name.endswith(one)), None)
    if ending is None:
        raise UserError(f"cannot tell the format of {output}: end it in .csv, .csv.gz or .parquet")
    rows = tidy_rows(results, table)
    if ending == ".parquet":
        _write_parquet(rows, output, table)
        return len(rows)
    text = rows.to_csv(index=False).encode()
    with replacing(output) as temporary:
        temporary.write_bytes(gzip.compress(text, mtime=0) if ending == ".csv.gz" else text)
    return len(rows)


def tidy_rows(results: Path, table: str) -> pd.DataFrame:
    """A table with the columns and types that the data dictionary says."""
    if table not in TIDY_TABLES:
        raise UserError(
            f"unknown table {table!r}: use one of {', '.join(TIDY_TABLES)}{did_you_mean(table, TIDY_TABLES)}"
        )
    runs = read_runs(results / RUNS_CSV)
    if table == "runs":
        settings = [_settings(text) for text in runs["settings"]] if "settings" in runs else [{}] * len(runs)
        rows = pd.concat([runs, pd.DataFrame(settings, index=runs.index, dtype=object)], axis=1)
    else:
        name, read = _READERS[table]
        rows = read(results / name).merge(runs[["identity", *OF_THE_RUN]], on="identity", how="left", validate="m:1")
    columns = TIDY_TABLES[table].columns
    return pd.DataFrame({one.name: _typed(rows, one.name, one.dtype) for one in columns})


def _typed(rows: pd.DataFrame, name: str, dtype: str) -> Any:
    """A column as a Series of that type; blank where the table lacks it."""
    if name not in rows:
        return pd.Series([None] * len(rows), index=rows.index, dtype="string" if dtype == "str" else dtype)
    if dtype != "str":
        numbers: Any = pd.to_numeric(rows[name])
        return numbers.astype(dtype)
    values: Any = rows[name]
    return values.where(values.isna(), values.astype(str)).astype("string").replace("", None)


def _settings(text: object) -> dict[str, Any]:
    """All settings of a run, by the names of their columns; `text`: those that differ from their defaults, as JSON."""
    if not isinstance(text, str) or not text:
        return {}
    given, found = json.loads(text), {}
    for one in fields(Settings):
        default = one.default_factory() if one.default_factory is not MISSING else one.default
        value = given.get(one.name, None if default is MISSING else default)
        found[SETTING + one.name] = json.dumps(value) if isinstance(value, list | tuple | dict) else value
    return found


def _write_parquet(rows: pd.DataFrame, output: Path, table: str) -> None:
    import pyarrow
    from pyarrow import parquet

    said = {one.name: one.meaning for one in TIDY_TABLES[table].columns}
    content = pyarrow.Table.from_pandas(rows, preserve_index=False)
    described = [field.with_metadata({"description": said[field.name]}) for field in content.schema]
    content = content.cast(pyarrow.schema(described, metadata=content.schema.metadata))
    with replacing(output) as temporary:
        parquet.write_table(content, temporary)
