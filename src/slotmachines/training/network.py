"""The network that a run starts from."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from slotmachines.errors import UserError
from slotmachines.networks import build_network
from slotmachines.replication.run import SLOT_METHODS, Run
from slotmachines.slots import bake_, slotify_


def starting_network(run: Run, device: torch.device, weights: Path | None) -> nn.Module:
    """The network of a run before its first step.

    Learned and random networks take the first option of each connection, a random pick from the pool of the slot
    machine with the same seed (released code: "random pick of one option per connection"). A finetuned network takes
    the selected weights in the file `weights`.

    Raises:
        UserError: unknown network, a setting it does not know, or a file that does not hold its weights.
    """
    network = build_network(run.network, **run.settings.network_settings)
    if weights is not None:
        _load_weights(network, weights)
        return network.to(device)

    def score_range(layer: nn.Module) -> float:
        return run.settings.score_range_linear if isinstance(layer, nn.Linear) else run.settings.score_range_conv

    try:
        slotify_(
            network,
            options=run.options or 1,
            selection="probabilistic" if run.method == "probabilistic" else "greedy",
            seed=run.seed,
            value_bound=run.settings.value_bound,
            score_range=score_range,
        )
    except (ValueError, MemoryError) as error:
        raise UserError(str(error)) from None
    if run.method not in SLOT_METHODS:
        bake_(network)
    return network.to(device)


def _load_weights(network: nn.Module, path: Path) -> None:
    try:
        state: dict[str, Tensor] = load_file(path)
        network.load_state_dict(state)
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"cannot start from {path}: {reason}; train its slot machine again, keeping this epoch"
        ) from None
