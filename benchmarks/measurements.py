"""The file of measurements: one row per case and method, the last measurement of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd

from benchmarks.goals import limit_of, verdict
from slotmachines.errors import UserError, one_line
from slotmachines.files import replacing
from slotmachines.networks.names import network_label
from slotpipeline.data.datasets import dataset_label

CASE = ["network", "selection", "options"]
SOURCE = ["device", "processor", "threads", "commit"]
"""Where and of what code a measurement was made."""

COLUMNS = [
    *CASE, "method", "connections", "dataset", "data_note", "ratio", "ratio_low", "ratio_high", "ratio_target",
    "first_ratio", "numbers", "numbers_target", "build_seconds", "build_target", "met", "loss", "changed_share",
    "step_ms", "ordinary_ms", "peak_bytes", "ordinary_peak_bytes", "warm_up", "rounds", *SOURCE, "tf32", "torch",
    "numba", "python", "system",
]  # fmt: skip

_TEXTS = [
    "data_note",
    "met",
    "tf32",
    "processor",
    "commit",
    "torch",
    "numba",
    "python",
]  # also where they look like numbers


def rows_of_case(
    case: Mapping[str, Any], timing: Mapping[str, Any], peaks: Mapping[str, int | None], origin: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The rows of one case, one for each method but ordinary training.

    Args:
        case: network, selection, options, connections, dataset and data_note.
        timing: what `benchmarks.timing.time_case` returns.
        peaks: bytes by method, None where they are not known.
        origin: the provenance of the measurement.
    """
    methods: Mapping[str, Mapping[str, float]] = timing["methods"]
    ordinary, ordinary_peak = methods["ordinary"], peaks["ordinary"]
    rows = []
    for method, times in methods.items():
        if method == "ordinary":
            continue
        row = {**origin, **case, **{k: times[k] for k in times if k in COLUMNS}, "method": method}
        row |= {"first_ratio": times["first_ms"] / ordinary["first_ms"], "ordinary_ms": ordinary["step_ms"]}
        row |= {"warm_up": timing["warm_up"], "rounds": timing["rounds"]}
        own = method == "one-number"
        row |= {name: timing[name] if own else None for name in ("loss", "changed_share")}
        peak = peaks[method]
        row |= {"peak_bytes": peak, "ordinary_peak_bytes": ordinary_peak, "numbers": None}
        if peak is not None and ordinary_peak is not None:
            row["numbers"] = (peak - ordinary_peak) / (4 * case["connections"])
        named = SimpleNamespace(**row)
        row |= {"ratio_target": limit_of(named, "ratio"), "numbers_target": limit_of(named, "numbers")}
        row |= {"build_target": limit_of(named, "build_seconds"), "met": verdict(named)}
        rows.append({name: row[name] for name in COLUMNS})
    return rows


def read_measurements(path: Path) -> pd.DataFrame:
    """The measurements in a file; none where there is no file.

    Raises:
        UserError: the file does not hold measurements.
    """
    if not path.exists():
        return pd.DataFrame(columns=COLUMNS)
    try:
        table = pd.read_csv(path, dtype=dict.fromkeys(_TEXTS, "str"))
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {path}: {one_line(error)}; delete it and call make bench") from None
    if list(table.columns) != COLUMNS:
        raise UserError(f"{path} does not hold measurements of this version; delete it and call make bench")
    return table.fillna(dict.fromkeys(_TEXTS, ""))


def is_measured(table: pd.DataFrame, case: Mapping[str, Any], origin: Mapping[str, Any]) -> bool:
    """Whether the case was measured on this machine with this code."""
    wanted = {**{name: case[name] for name in CASE}, **{name: origin[name] for name in SOURCE}}
    return bool((table[list(wanted)] == pd.Series(wanted)).all(axis=1).any())


def write_measurements(path: Path, table: pd.DataFrame, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Write the table with the rows of one case in place of those it had for that case on the same kind of device.

    Returns:
        The table as it was written.
    """
    new = pd.DataFrame(rows, columns=COLUMNS)
    same = (table[CASE] == new[CASE].iloc[0]).all(axis=1)
    same &= (table["device"] == "cpu") == (new["device"].iloc[0] == "cpu")
    both = new if same.all() else pd.concat([table[~same], new], ignore_index=True)
    with replacing(path) as temporary:
        both.to_csv(temporary, index=False, float_format="%.5g")
    return read_measurements(path)


def by_device(path: Path) -> dict[str, pd.DataFrame]:
    """The measurements that were made on a `cpu`, and those made on a `gpu`, as far as there are any.

    Raises:
        UserError: there are none, or the file does not hold measurements.
    """
    table = read_measurements(path)
    if table.empty:
        raise UserError(f"{path} holds no measurements; call make bench")
    kinds = (table["device"] == "cpu").map({True: "cpu", False: "gpu"})
    return {str(kind): part for kind, part in table.groupby(kinds)}


def conditions(table: pd.DataFrame) -> str:
    """On what, with what and of what code the measurements were made, in a sentence or two."""
    places = []
    for device, processor, threads in set(zip(table["device"], table["processor"], table["threads"], strict=True)):
        places.append(f"{processor}, {threads} thread{'' if threads == 1 else 's'}" if device == "cpu" else device)
    data = [
        f"{', '.join(network_label(name) for name in part['network'].unique())} on {dataset_label(str(dataset))}"
        for dataset, part in table.groupby("dataset", sort=False)
    ]
    versions = ", ".join(sorted({f"torch {version}" for version in table["torch"]}))
    commits = ", ".join(sorted({commit[:7] + commit[40:] for commit in table["commit"]}))
    return f"Measured on {' and '.join(sorted(places))}; {versions}; commit {commits}; images: {'; '.join(data)}."


def rows_of(table: pd.DataFrame) -> list[Any]:
    """The rows of a table, with a field per column."""
    return list(table.itertuples())
