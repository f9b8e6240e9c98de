"""The network that a run starts from, and the file of weights that another run may start from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from slotmachines.errors import UserError, one_line
from slotmachines.methods import METHODS
from slotmachines.networks import build_network
from slotmachines.rivals.apply import mask_, named_rule
from slotmachines.rivals.initial import draw_weights_
from slotmachines.slots.convert import bake_, slotify_
from slotmachines.slots.random_options import Sharing
from slotpipeline.runs.run import Run

_METADATA = "slotmachines"


def starting_network(run: Run, device: torch.device, weights: Path | None) -> nn.Module:
    """The network of a run before its first step.

    Networks that are not slot machines take weights from the distribution of their settings, or the first option of
    each connection, a random pick from the pool of the slot machine with the same seed (released code: "random pick of
    one option per connection"). Rivals then fix them under their masks. A finetuned network takes the selected weights
    in the file `weights`.

    Raises:
        UserError: unknown network, a setting it does not know, or a file that does not hold its weights. A file of an
            older version does not name its run; it is taken if its weights fit the network.
    """
    network = build_network(run.network, **run.settings.network_settings).to(device)
    if run.parent is not None and weights is not None:
        _load_weights(network, weights, _origin(run.parent.identity, run.start_epoch))
        return network

    def score_range(layer: nn.Module) -> float:
        linear = isinstance(layer, (nn.Linear, nn.MultiheadAttention))
        return run.settings.score_range_linear if linear else run.settings.score_range_conv

    settings, method = run.settings, METHODS[run.method]
    try:
        if settings.weights != "options":
            draw_weights_(network, settings.weights, positive_share=settings.positive_share, seed=run.seed)
        else:
            slotify_(
                network,
                options=run.options or 1,
                selection="probabilistic" if run.method == "probabilistic" else "greedy",
                seed=run.seed,
                value_bound=settings.value_bound,
                score_range=score_range,
                sharing=cast(Sharing, settings.sharing),
            )
            if not method.has_options:
                bake_(network)
        if method.rule:
            mask_(network, named_rule(run.method, **settings.method_settings), seed=run.seed)
    except (ValueError, MemoryError) as error:
        raise UserError(str(error)) from None
    return network


def weights_file(weights: dict[str, Tensor], identity: str, epoch: int) -> bytes:
    """The content of a safetensors file of the weights of a run, by its identity, after an epoch.

    The file's metadata name the run and the epoch, which are verified when another run starts from them.
    """
    tensors = {name: value.contiguous().cpu() for name, value in weights.items()}
    return save(tensors, metadata={_METADATA: _origin(identity, epoch)})


def _origin(identity: str, epoch: int) -> str:
    # One entry only: safetensors writes several metadata entries in an order that changes from run to run.
    return json.dumps({"epoch": epoch, "run": identity}, sort_keys=True)


def _named(origin: str) -> str:
    try:
        return "epoch {epoch} of run {run}".format_map(json.loads(origin))
    except (AttributeError, KeyError, TypeError, ValueError):
        return origin


def _load_weights(network: nn.Module, path: Path, expected: str) -> None:
    try:
        with safe_open(path, framework="pt") as file:
            origin = (file.metadata() or {}).get(_METADATA, expected)
        if origin != expected:
            raise UserError(
                f"{path} holds the weights of {_named(origin)}, and these settings ask for {_named(expected)}; give "
                "that file, or the network, dataset, options, seed, settings and epoch of this one"
            )
        state: dict[str, Tensor] = load_file(path)
        network.load_state_dict(state)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise UserError(
            f"cannot start from {path}: {one_line(error)}; train its slot machine again, keeping this epoch"
        ) from None
