"""Count the floating-point operations per image of each network, as the recipes of the package build it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import torch
import typer
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from slotmachines.files import replacing
from slotmachines.networks import build_network
from slotmachines.networks.names import NETWORKS, find_network
from slotpipeline.command import run
from slotpipeline.runs.flops import settings_text
from slotpipeline.runs.recipe import recipe_names
from slotpipeline.runs.run import make_run
from slotpipeline.training.provenance import provenance

BATCH = 2  # batch normalisation needs more than one image


def count(name: str, network_settings: Mapping[str, Any]) -> dict[str, int]:
    """Connections, and operations of a forward and of a backward pass per image, of an ordinary network.

    Counted are matrix products and convolutions, a multiply-add as two. The backward pass is less than twice the
    forward pass: nobody asks for the gradient of the images.
    """
    network = build_network(name, **network_settings).train()
    images, labels = torch.rand(BATCH, *find_network(name).input_shape), torch.zeros(BATCH, dtype=torch.int64)
    with FlopCounterMode(display=False) as forward:
        loss = functional.cross_entropy(network(images), labels)
    with FlopCounterMode(display=False) as backward:
        loss.backward()
    return {
        # The scales and shifts of batch normalisation, of one dimension, are small and left out.
        "connections": sum(weight.numel() for weight in network.parameters() if weight.ndim > 1),
        "forward": forward.get_total_flops() // BATCH,
        "backward": backward.get_total_flops() // BATCH,
    }


def command(output: Annotated[Path, typer.Argument(help="the CSV file to write")]) -> None:
    """One row per network, and per padding of the networks whose recipes differ in it."""
    origin = provenance(torch.device("cpu"))
    rows = {}
    for name in NETWORKS:
        for recipe in recipe_names():
            built = make_run(network=name, dataset="digits", method="learned", seed=0, recipe=recipe)
            settings = built.settings.network_settings
            place = {"network": name, "network_settings": settings_text(settings)}
            versions = {key: origin[key] for key in ("torch", "commit")}
            rows[tuple(place.values())] = {**place, **count(name, settings), **versions}
    with replacing(output) as temporary:
        pd.DataFrame(rows.values()).to_csv(temporary, index=False)


if __name__ == "__main__":
    run(command)
