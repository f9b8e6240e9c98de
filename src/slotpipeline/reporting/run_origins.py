"""What ran, where and when: the runs behind each number, their machines, and what they cost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

import pandas as pd

from slotmachines.networks.names import network_label
from slotpipeline.analysis.cell_results import CellResult, runs_of
from slotpipeline.analysis.text import method_name, network_title, number, options_text
from slotpipeline.data.datasets import dataset_label
from slotpipeline.experiments.grid import cells_of
from slotpipeline.reporting.page_tables import cell_title, run_key
from slotpipeline.results.read import Results, median_seconds
from slotpipeline.runs.cell import Cell
from slotpipeline.runs.recipe import changed_settings

MACHINE = ("device", "processor", "threads", "python", "torch", "cuda", "tf32")
"""The columns of runs.csv that say where a run was made."""


@dataclass(frozen=True)
class CellRuns:
    """The runs of one cell, as text.

    Attributes:
        key: what links to them end with.
        title: the cell in words.
        recipe: the name of their recipe.
        settings: those that are not the default, as `name: value`.
        runs: one mapping per run, from column to text.
    """

    key: str
    title: str
    recipe: str
    settings: list[str]
    runs: list[dict[str, str]]


def machines(runs: pd.DataFrame) -> pd.DataFrame:
    """The machines that made some runs: a letter, what is known of each, and how many runs it made."""
    counted = _known(runs).value_counts(sort=False).sort_index().reset_index(name="runs")
    counted.insert(0, "machine", [_letters(place) for place in range(len(counted))])
    return counted.astype(str)


def _known(runs: pd.DataFrame) -> pd.DataFrame:
    """What is known of the machine of each run, as text: older results lack some of it."""
    return runs.reindex(columns=list(MACHINE)).astype("string").fillna("")


def _letters(place: int) -> str:
    """A, B, and so on; AA after Z."""
    more, rest = divmod(place, len(ascii_uppercase))
    return (_letters(more - 1) if more else "") + ascii_uppercase[rest]


def runs_by_cell(results: Results, found: Iterable[CellResult]) -> list[CellRuns]:
    """The finished runs of each cell, each cell once, with the seeds of all experiments that need it."""
    letters = {tuple(row[1:-1]): row[0] for row in machines(results.runs).itertuples(index=False)}
    where = [letters[tuple(row)] for row in _known(results.runs).itertuples(index=False)]
    by_identity = results.runs.assign(machine=where).set_index("identity")
    cells: dict[str, tuple[CellResult, set[str]]] = {}
    for one in found:
        if one.n:
            cells.setdefault(run_key(one), (one, set()))[1].update(one.identities)
    listed = []
    for key, (one, identities) in cells.items():
        part = by_identity.loc[sorted(identities)].sort_values("seed")
        settings = [f"{name}: {value}" for name, value in changed_settings(one.run.settings).items()]
        title = f"{network_title(one.dataset, one.network)}: {cell_title(one)}"
        listed.append(CellRuns(key, title, one.run.recipe, settings, [_run_row(row) for row in part.itertuples()]))
    return listed


def _run_row(row: Any) -> dict[str, str]:
    return {
        "seed": str(row.seed),
        "test accuracy": number(row.test_accuracy),
        "validation": number(row.val_accuracy),
        "best epoch": f"{row.best_epoch} of {row.epochs}",
        "time": duration(row.wall_seconds),
        "machine": str(row.machine),
        "started (UTC)": str(row.started)[:16].replace("T", " "),
        "commit": str(row.commit)[:10],
        "run": str(row.Index),
    }


def provenance(runs: pd.DataFrame) -> dict[str, str]:
    """What ran where and when, as lines of a list; wall hours are summed over runs, side by side or not."""

    def listed(column: str) -> str:
        return ", ".join(sorted(str(value) for value in runs[column].dropna().unique() if str(value)))

    days = sorted(str(started)[:10] for started in runs["started"].dropna())
    lines = {
        "Runs": str(len(runs)),
        "Seeds": ", ".join(str(seed) for seed in sorted(runs["seed"].unique())),
        "Recipes": listed("recipe"),
        "Device": listed("device"),
        "Processor": listed("processor"),
        "Threads per run": listed("threads"),
        "Python": listed("python"),
        "PyTorch": listed("torch"),
        "Commits": listed("commit"),
        "Started (UTC)": "" if not days else days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}",
        "Wall time, summed over runs": duration(runs["wall_seconds"].sum()),
        "Notes on the data": listed("data_note"),
        "To repeat a run": _repeating(set(runs["device"])),
    }
    return {name: text for name, text in lines.items() if text}


def _repeating(devices: set[str]) -> str:
    """What a run that is made again has in common with the first one."""
    same = "Its commit, with the packages that requirements.lock pins there (if it has one), its seed and its settings"
    processor = "give the same bits on the same kind of processor with as many threads, whatever runs beside it"
    gpu = "do not give the same bits on a GPU, to which the order of some sums is left: rounding differs"
    parts = [processor] if "cpu" in devices else []
    parts += [gpu] if devices - {"cpu"} else []
    return f"{same} {'; they '.join(parts)}."


def duration(seconds: float) -> str:
    """Seconds, minutes or hours, whichever reads best."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def costs(results: Results) -> pd.DataFrame:
    """Runs and wall time of every cell, as text; each cell once, with the seeds of all experiments that need it."""
    config, seeds = results.config, sorted(set(results.runs["seed"]))
    cells: dict[tuple[str, ...], tuple[Cell, pd.DataFrame]] = {}
    for cell in (cell for experiment in config["experiments"] for cell in cells_of(config, experiment)):
        found = runs_of(results, cell, seeds)
        identities = tuple(row["identity"] for row in found)
        if found and identities not in cells:
            cells[identities] = cell, pd.DataFrame(found)
    order = list(config["networks"])
    rows = []
    for cell, part in sorted(cells.values(), key=lambda found: order.index(found[0].network)):
        rows.append(
            {
                "dataset": dataset_label(cell.dataset),
                "network": network_label(cell.network),
                "method": ", ".join(filter(None, (method_name(cell.method), cell.words))),
                "K": options_text(cell.options),
                "runs": str(len(part)),
                "epochs": " or ".join(str(length) for length in sorted(part["epochs"].unique())),
                "best epoch (median)": number(part["best_epoch"].median(), ".0f"),
                "validation accuracy (mean)": number(part["val_accuracy"].mean()),
                "wall time per run (median)": ", ".join(
                    f"{duration(seconds)} on a {kind}" for kind, seconds in median_seconds(part).items()
                ),
            }
        )
    return pd.DataFrame(rows)
