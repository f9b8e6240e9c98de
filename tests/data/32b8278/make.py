"""How the files beside this one were made, with the source of commit 32b8278:

    PYTHONPATH=<a clone at 32b8278>/src python make.py

One run of a small network on the digits was stopped in its third epoch (`checkpoint.pt`), then finished (`run`) and
collected (`collected`), and a slot machine was saved as a ticket. `identities.txt` lists the identities in the
`runs.csv` of the grids paper and mnist. The names that this file imports are those of that commit.
"""

from pathlib import Path
from shutil import copy, copytree
from tempfile import TemporaryDirectory

import torch
from slotmachines.data import fetch
from slotmachines.networks.registry import NETWORKS, Network
from slotmachines.replication.collect import collect
from slotmachines.replication.run import make_run
from slotmachines.training import train
from slotmachines.training.loop import Trainer
from torch import nn

from slotmachines import build_network, save_ticket, selected_options, slotify_

HERE = Path(__file__).parent


def narrow(classes: int = 10) -> nn.Sequential:
    """Of the kind of LeNet, with 6,352 weights, so that its files are small."""
    return nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 8, bias=False), nn.ReLU(), nn.Linear(8, classes, bias=False))


def stopped_in_third_epoch(train_epoch=Trainer.train_epoch):
    def stopping(self, epoch):
        row = train_epoch(self, epoch)
        if epoch == 3:
            raise KeyboardInterrupt
        return row

    return stopping


def main() -> None:
    torch.set_num_threads(1)
    NETWORKS["narrow"] = Network("narrow", "narrow", (1, 28, 28), "make:narrow")
    changes = {"epochs": 3, "schedule_epochs": [2], "weight_decay": 1e-4}
    run = make_run(
        network="narrow", dataset="digits", method="greedy", options=4, seed=1, recipe="paper-glorot", changes=changes
    )
    train._SECONDS_BETWEEN_CHECKPOINTS = -1.0
    with TemporaryDirectory() as temporary:
        fetch("digits", Path(temporary))
        places = {
            "data_folder": Path(temporary),
            "folder": HERE / "run",
            "checkpoint": Path(temporary, "checkpoint.pt"),
        }
        whole = Trainer.train_epoch
        Trainer.train_epoch = stopped_in_third_epoch()
        try:
            train.train_run(run, keep_epochs=(1,), show_progress=False, **places)
        except KeyboardInterrupt:
            copy(places["checkpoint"], HERE / "checkpoint.pt")
        Trainer.train_epoch = whole
        train.train_run(run, keep_epochs=(1,), show_progress=False, **places)
    with TemporaryDirectory() as temporary:
        copytree(HERE / "run", Path(temporary, "runs", run.folder))
        collect([run], [run], Path(temporary))
        for name in ("runs.csv", "curves.csv.gz", "selected_weights.csv"):
            (HERE / "collected").mkdir(exist_ok=True)
            copy(Path(temporary, name), HERE / "collected" / name)
    network = slotify_(build_network("narrow"), options=5, seed=2)
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        with torch.no_grad():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    save_ticket(network, HERE / "ticket.safetensors")
    options = {name: chosen.to(torch.uint8) for name, chosen in selected_options(network).items()}
    torch.save(options, HERE / "options.pt")


if __name__ == "__main__":
    main()
