"""Measure the training steps of one epoch of each network of the grids, from a few steps on images of noise."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import torch
import typer
from torch.nn import functional
from tqdm import tqdm

from slotmachines.files import replacing
from slotmachines.methods import RIVALS
from slotmachines.networks.names import NETWORKS, find_network
from slotpipeline.command import run
from slotpipeline.data.datasets import DATASETS, find
from slotpipeline.experiments.config_schema import grids_of
from slotpipeline.runs.authors_recipes import AUTHORS_RECIPES
from slotpipeline.runs.run import Run, make_run
from slotpipeline.runs.run_time import read_seconds_table
from slotpipeline.training.provenance import provenance
from slotpipeline.training.start import starting_network

CONFIGS = Path(__file__).resolve().parents[1] / "config"
METHODS = [
    ("learned", None),
    *((method, k) for method in ("greedy", "probabilistic") for k in (2, 8, 64)),
    *((rival, None) for rival in RIVALS),
]
STEPS = 5


def places() -> list[tuple[str, str]]:
    """The networks and their datasets that the grids of the project train, in the order of the registries."""
    trained = {place for config in grids_of(CONFIGS).values() for place in config["networks"].items()}
    return [place for place in product(NETWORKS, DATASETS) if place in trained]


def seconds_per_step(measured: Run, device: torch.device) -> float:
    """Median seconds of a training step."""
    batch = measured.settings.batch_size
    network = starting_network(measured, device, None).train()
    optimiser = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=measured.settings.momentum)
    images = torch.rand(batch, *find_network(measured.network).input_shape, device=device)
    labels = torch.randint(10, (batch,), device=device)
    seconds = []
    for _ in range(STEPS):
        begin = time.perf_counter()
        optimiser.zero_grad()
        functional.cross_entropy(network(images), labels).backward()
        optimiser.step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds[1:])


def command(output: Annotated[Path, typer.Argument(help="the CSV file to write")]) -> None:
    """Measure one thread, or the GPU where there is one; evaluation is not counted.

    What OUTPUT has from the same kind of machine with the same PyTorch stays; delete the file to measure all anew.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_num_threads(1)
    origin = provenance(device)
    where = {key: origin[key] for key in ("device", "processor", "threads", "torch", "commit")}
    earlier = _earlier(output, where)
    rows = []
    for (network, dataset), (method, options) in tqdm([(p, m) for p in places() for m in METHODS]):
        place: dict[str, Any] = {"network": network, "dataset": dataset, "method": method, "options": options}
        if row := earlier.get(tuple(place.values())):
            rows.append(row)
            continue
        measured = make_run(**place, seed=0, recipe=AUTHORS_RECIPES.get(method, "paper-glorot"))
        steps = -(-(find(dataset).train_count - measured.settings.validation) // measured.settings.batch_size)
        seconds = steps * seconds_per_step(measured, device)
        rows.append({**place, "seconds_per_epoch": f"{seconds:.3g}", **where})
    with replacing(output) as temporary:
        pd.DataFrame(rows).astype({"options": "Int64"}).to_csv(temporary, index=False)


def _earlier(path: Path, where: Mapping[str, Any]) -> dict[tuple[Any, ...], dict[str, Any]]:
    """The rows that were measured on such a machine, by network, dataset, method and options."""
    if not path.exists():
        return {}
    table = read_seconds_table(path).replace({float("nan"): None})
    rows = [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]
    same = [row for row in rows if all(row[key] == where[key] for key in ("device", "processor", "torch"))]
    return {
        tuple(row[key] for key in ("network", "dataset", "method", "options")): {
            **row, "seconds_per_epoch": f"{row['seconds_per_epoch']:.3g}"
        }
        for row in same
    }  # fmt: skip


if __name__ == "__main__":
    run(command)
