"""Measure the training steps of one epoch of each network of the grids, from a few steps on images of noise."""

from __future__ import annotations

import statistics
import time
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import torch
import typer
from torch.nn import functional
from tqdm import tqdm

from slotmachines.command import run
from slotmachines.data.registry import DATASETS, find
from slotmachines.files import replacing
from slotmachines.networks.registry import NETWORKS, find_network
from slotmachines.replication.config import checked_config, read_config
from slotmachines.replication.run import Run, make_run
from slotmachines.training.network import starting_network
from slotmachines.training.provenance import provenance

GRIDS = Path(__file__).parents[2] / "config"
METHODS = [("learned", None), *((method, k) for method in ("greedy", "probabilistic") for k in (2, 8, 64))]
STEPS = 5


def places() -> list[tuple[str, str]]:
    """The networks and their datasets that the grids of the project train, in the order of the registries."""
    grids = [checked_config(read_config(path))["networks"] for path in GRIDS.glob("*.yaml")]
    trained = {place for networks in grids for place in networks.items()}
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
    """Measure one thread, or the GPU where there is one; evaluation is not counted."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_num_threads(1)
    origin = provenance(device)
    rows = []
    for (network, dataset), (method, options) in tqdm([(p, m) for p in places() for m in METHODS]):
        place: dict[str, Any] = {"network": network, "dataset": dataset, "method": method, "options": options}
        measured = make_run(**place, seed=0, recipe="paper-glorot")
        steps = -(-(find(dataset).train_count - measured.settings.validation) // measured.settings.batch_size)
        seconds = steps * seconds_per_step(measured, device)
        rows.append(
            {
                **place,
                "seconds_per_epoch": f"{seconds:.3g}",
                **{key: origin[key] for key in ("device", "processor", "threads", "torch", "commit")},
            }
        )
    with replacing(output) as temporary:
        pd.DataFrame(rows).astype({"options": "Int64"}).to_csv(temporary, index=False)


if __name__ == "__main__":
    run(command)
