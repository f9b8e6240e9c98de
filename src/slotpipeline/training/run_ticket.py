"""The ticket of a finished run, from the selected weights that the run kept.

A run keeps the values that its slot machine selected. Which options they are follows from the seed: the values of each
connection are drawn again and compared.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from slotmachines.errors import UserError, one_line
from slotmachines.slots.convert import slot_machines
from slotmachines.slots.random_options import OptionPool
from slotmachines.slots.ticket import ticket_bytes
from slotpipeline.runs.recipe import make_settings
from slotpipeline.runs.run import Run
from slotpipeline.runs.run_files import RunFiles
from slotpipeline.runs.run_record import read_run_record
from slotpipeline.training.start import starting_network

_SLOT_MACHINES = ("greedy", "probabilistic")


def ticket_of_run(folder: Path, epoch: int | None = None) -> bytes:
    """The content of the ticket of a run's slot machine at its best epoch, or after `epoch`.

    Raises:
        UserError: the run is not finished, is not of a slot machine, or its weights are missing, damaged or of another
            run.
    """
    files = RunFiles(folder)
    if not files.metrics.is_file():
        raise UserError(f"{folder} is not the folder of a finished run; give the folder that holds its metrics.json")
    record = read_run_record(files)
    if record.method not in _SLOT_MACHINES or record.parent:
        raise UserError(
            f"{folder} is a run of {record.variant or record.method} weights, and only a slot machine has a ticket; "
            "give the folder of a greedy or probabilistic run"
        )
    run = Run(
        network=record.network, dataset=record.dataset, method=record.method, options=record.options,
        seed=record.seed, recipe=record.recipe, settings=make_settings(record.settings, str(files.metrics)),
    )  # fmt: skip
    network = starting_network(run, torch.device("cpu"), None)
    path = files.best_weights if epoch is None else files.epoch_weights(epoch)
    kept = _read(path)
    chosen: dict[str, Tensor] = {}
    for one in slot_machines(network):
        values = kept.pop(one.name, None)
        if values is None or values.shape != one.trained.shape:
            raise UserError(f"{path} does not hold {one.name} of this run; train the run again")
        chosen[one.name] = _options(one.selector.pool, values.reshape(-1), path, one.name).view(one.trained.shape)
    others = network.state_dict(keep_vars=True)
    if lost := [name for name in kept if name not in others or kept[name].shape != others[name].shape]:
        raise UserError(f"{path} holds {lost[0]}, which this network does not have; train the run again")
    with torch.no_grad():
        for name, value in kept.items():
            others[name].copy_(value)
    return ticket_bytes(network, chosen)


def _options(pool: OptionPool, values: Tensor, path: Path, name: str) -> Tensor:
    """The first option of each connection that has the given value, (n,)."""
    options = torch.full_like(values, -1, dtype=torch.int64)
    for option in range(pool.options):
        drawn = pool.values_of(torch.full_like(options, option)).to(values.dtype)
        options[(drawn == values) & (options < 0)] = option
    if (options < 0).any():
        raise UserError(f"{path} holds values of {name} that the seed of this run does not give; train the run again")
    return options


def _read(path: Path) -> dict[str, Tensor]:
    try:
        tensors: dict[str, Tensor] = load_file(path)
        return tensors
    except (OSError, SafetensorError) as error:
        raise UserError(f"cannot read {path}: {one_line(error)}; give a run that kept these weights") from None
