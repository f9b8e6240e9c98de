"""The training loop: one for slot machines, learned baselines and finetuning."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from slotmachines.data import Splits, augment
from slotmachines.errors import UserError
from slotmachines.philox import key_of, permutation
from slotmachines.replication.recipe import Settings
from slotmachines.slots import baked_state, is_slot_machine, selected_options, slot_machines
from slotmachines.training.evaluation import evaluate
from slotmachines.training.schedule import learning_rate

Row = dict[str, Any]


class Trainer:
    """A network in training, with its optimiser; `state_dict` between two epochs is all that resuming needs.

    Each epoch draws its randomness (order of the images, augmentation, dropout, sampled options) from streams keyed
    by (seed, epoch), so no generator state has to be kept.
    """

    def __init__(self, network: nn.Module, settings: Settings, data: Splits, *, seed: int) -> None:
        self.network = network
        self.settings = settings
        self.data = data
        self.seed = seed
        self.is_slot_machine = is_slot_machine(network)
        self.optimiser = torch.optim.SGD(
            network.parameters(),
            lr=settings.learning_rate,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
        )
        self._options = selected_options(network) if self.is_slot_machine else {}

    def train_epoch(self, epoch: int) -> Row:
        """Train for one epoch (counted from 1) and evaluate: a row of the run's curve.

        Raises:
            UserError: the loss, or a trained number, is no longer finite.
        """
        torch.manual_seed(key_of("epoch", self.seed, epoch) >> 1)
        self.network.train()
        device = self.data.train.labels.device
        loss_sum = torch.zeros((), dtype=torch.float64, device=device)
        correct = torch.zeros((), dtype=torch.int64, device=device)
        rate = 0.0
        steps = math.ceil(len(self.data.train) / self.settings.batch_size)
        for step, (images, labels) in enumerate(self._batches(epoch)):
            rate = learning_rate(self.settings, epoch - 1 + step / steps)
            for group in self.optimiser.param_groups:
                group["lr"] = rate
            outputs = self.network(self.data.normalise(augment(images, self.settings.augmentation)))
            loss = functional.cross_entropy(outputs, labels)
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()
            loss_sum += loss.detach() * len(labels)
            correct += (outputs.detach().argmax(1) == labels).sum()
        train_loss = loss_sum.item() / len(self.data.train)
        # A slot machine's weights are bounded: its loss stays finite even where what it trains does not.
        if not torch.isfinite(loss_sum) or not all(p.isfinite().all() for p in self.network.parameters()):
            what = "the trained numbers" if math.isfinite(train_loss) else "the loss"
            raise UserError(
                f"{what} became infinite or NaN in epoch {epoch}; "
                f"lower the learning rate ({self.settings.learning_rate:g}) of the recipe"
            )
        val_loss, val_accuracy = evaluate(self.network, self.data.validation, self.data)
        _, test_accuracy = evaluate(self.network, self.data.test, self.data)
        return {
            "epoch": epoch,
            "learning_rate": rate,
            "train_loss": train_loss,
            "train_accuracy": 100 * correct.item() / len(self.data.train),
            "val_loss": val_loss,
            "val_accuracy": val_accuracy,
            "test_accuracy": test_accuracy,
            **self._selection_row(),
        }

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next epoch depends on."""
        return {"network": self.network.state_dict(), "optimiser": self.optimiser.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self._options = selected_options(self.network) if self.is_slot_machine else {}

    def weights(self) -> dict[str, Tensor]:
        """The weights that evaluation uses, as the state dict of an ordinary network."""
        return baked_state(self.network)

    def _batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        train = self.data.train
        order = permutation(len(train), "order", self.seed, epoch).to(train.labels.device)
        for indices in order.split(self.settings.batch_size):
            yield train.images[indices], train.labels[indices]

    def _selection_row(self) -> Row:
        """Share of connections whose best option is another than one epoch before, and mean abs(w) / b."""
        if not self.is_slot_machine:
            return {"changed_share": None, "mean_magnitude": None}
        before, self._options = self._options, selected_options(self.network)
        connections = sum(options.numel() for options in before.values())
        changed = sum((before[name] != options).sum().item() for name, options in self._options.items())
        magnitude = sum(
            layer.weight.abs().sum().item() / machine.pool.value_bound
            for _, layer, machine in slot_machines(self.network)
        )
        return {"changed_share": changed / connections, "mean_magnitude": magnitude / connections}
