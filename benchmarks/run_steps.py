"""Measure what slot machines cost beside ordinary training: step time, peak memory, and the time to build them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any, TypeVar

import torch
import typer
from tqdm import tqdm

from benchmarks.batches import fetched_dataset
from benchmarks.cases import Case, Method, all_cases, connections, quick_cases
from benchmarks.measurements import is_measured, read_measurements, rows_of_case, write_measurements
from benchmarks.peak_memory import peak_bytes
from benchmarks.timing import FULL, QUICK, time_case
from slotmachines.errors import UserError
from slotpipeline.command import run
from slotpipeline.training.device import allow_tf32
from slotpipeline.training.provenance import provenance

Result = TypeVar("Result")


def in_fresh_process(function: Callable[..., Result], *arguments: Any) -> Result:
    """Call a function in a process that has done nothing before."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        return executor.submit(function, *arguments).result()


@cache
def peak_of(case: Case, method: Method, device: torch.device) -> int | None:
    """Bytes, measured in a process of its own."""
    return in_fresh_process(peak_bytes, case, method, device)


def ordinary_case(case: Case) -> Case:
    """Ordinary training takes the same memory at every K: it is measured once."""
    return Case(case.network, case.selection, 2)


def command(
    output: Annotated[Path, typer.Argument(help="the CSV file, to which what is missing is added")],
    data: Annotated[Path, typer.Option(help="the folder of fetched datasets")] = Path("data"),
    only: Annotated[str, typer.Option(help="a part of the names of the cases to measure, such as conv6-greedy")] = "",
    quick: Annotated[bool, typer.Option("--quick", help="few cases and few steps, to see whether all works")] = False,
) -> None:
    """Measure every case that was not measured on this machine at this commit; on a GPU where there is one.

    Images are those of SLOTMACHINES_DATA or of the data folder, else scikit-learn's digits.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    allow_tf32()
    origin = {**provenance(device), "numba": version("numba")}
    cases = [case for case in (quick_cases() if quick else all_cases()) if only in case.name]
    if not cases:
        raise UserError(f"no case is called {only!r}; the cases are {', '.join(case.name for case in all_cases())}")
    table = read_measurements(output)
    failed = []
    with tqdm(cases, unit="case") as progress:
        for case in progress:
            progress.set_description(case.name)
            described = {**vars(case), "connections": connections(case.network)}
            if is_measured(table, described, origin):
                continue
            dataset, note = fetched_dataset(case.network, data)
            described |= {"dataset": dataset, "data_note": note}
            try:
                timing = in_fresh_process(time_case, case, dataset, data, device, QUICK if quick else FULL)
                peaks = {
                    method: peak_of(ordinary_case(case) if method == "ordinary" else case, method, device)
                    for method in timing["methods"]
                }
            except (MemoryError, BrokenProcessPool) as error:
                failed.append(f"{case.name} ({' '.join(str(error).split())[:120]})")
                continue
            table = write_measurements(output, table, rows_of_case(described, timing, peaks, origin))
    if failed:
        raise UserError(f"not measured: {'; '.join(failed)}; the other cases are in {output}")


if __name__ == "__main__":
    run(command)
