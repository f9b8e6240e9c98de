"""Measure seconds per epoch on a GPU, as single operations and as CUDA graphs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pandas as pd
import torch
import typer
from tqdm import tqdm

from benchmarks.cases import RECIPE, dataset_of
from benchmarks.epoch_times import CASE, COLUMNS, SOURCE, WAY, all_cases, seconds_per_epoch
from slotmachines.errors import UserError
from slotmachines.files import replacing
from slotmachines.networks.names import find_network
from slotpipeline.command import run
from slotpipeline.data import fetch, load
from slotpipeline.runs.run import make_run
from slotpipeline.training.device import prepare_device
from slotpipeline.training.provenance import provenance


def command(
    output: Annotated[Path, typer.Argument(help="the CSV file, to which cases are added")],
    data: Annotated[Path, typer.Option(help="the folder of datasets")] = Path("data"),
    source: Annotated[
        Path | None, typer.Option("--from", envvar="SLOTMACHINES_DATA", help="read them from here")
    ] = None,
    only: Annotated[str, typer.Option(help="one network")] = "",
) -> None:
    """Train each case for two epochs on the real images; one that was measured before is measured anew."""
    if not torch.cuda.is_available():
        raise UserError("there is no GPU to measure; what an epoch costs on a processor, make measure tells")
    device = prepare_device("cuda", 1, True)
    origin = provenance(device)
    cases = [case for case in all_cases() if only in ("", case[0])]
    if not cases:
        raise UserError(f"no case is of {only!r}; the networks are {', '.join(sorted({c[0] for c in all_cases()}))}")
    for network, method, options, graph in tqdm(cases, unit="case"):
        dataset = dataset_of(network)
        fetch(dataset, data, source)
        one = make_run(network=network, dataset=dataset, method=method, options=options, seed=0, recipe=RECIPE)
        images = load(dataset, data, find_network(network).input_shape, one.settings.validation, device)
        seconds = seconds_per_epoch(one, images, cuda_graph=graph)
        case = dict(zip([*CASE, *WAY], (network, method, options, graph, 1), strict=True))
        add(output, {**case, "seconds": seconds, **{name: origin[name] for name in SOURCE}})


def add(path: Path, row: dict[str, object]) -> None:
    """Write the file with one more row, in place of an earlier one of the same case."""
    new = pd.DataFrame([row], columns=COLUMNS).astype({"options": "Int64"})
    if path.exists():
        table = pd.read_csv(path, dtype={"options": "Int64"})
        keys = [tuple(map(str, values)) for values in table[[*CASE, *WAY]].itertuples(index=False)]
        own = tuple(map(str, new[[*CASE, *WAY]].iloc[0]))
        kept = table[[key != own for key in keys]]
        new = pd.concat([kept, new], ignore_index=True) if len(kept) else new
    with replacing(path) as temporary:
        new.to_csv(temporary, index=False, float_format="%.3g")


if __name__ == "__main__":
    run(command)
