"""The training loop: one for slot machines, learned baselines and finetuning."""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any

import torch
from torch import Tensor, nn

from slotmachines.data import Splits
from slotmachines.errors import UserError
from slotmachines.philox import key_of, permutation
from slotmachines.replication.recipe import Settings
from slotmachines.slots import baked_state, is_slot_machine, slot_machines
from slotmachines.training.evaluation import means, sums
from slotmachines.training.schedule import learning_rate
from slotmachines.training.step import TrainingStep

Row = dict[str, Any]


class Trainer:
    """A network in training, with its optimiser; `state_dict` between two epochs is all that resuming needs.

    Each epoch draws its randomness (order of the images, augmentation, dropout, sampled options) from streams keyed
    by (seed, epoch), so no generator state has to be kept.
    """

    def __init__(
        self, network: nn.Module, settings: Settings, data: Splits, *, seed: int, cuda_graph: bool = False
    ) -> None:
        self.network = network
        self.settings = settings
        self.data = data
        self.seed = seed
        self.is_slot_machine = is_slot_machine(network)
        self._step = TrainingStep(network, settings, data, cuda_graph=cuda_graph)
        self._selected = self._selected_weights()

    def train_epoch(self, epoch: int) -> Row:
        """Train for one epoch (counted from 1) and evaluate: a row of the run's curve.

        Raises:
            UserError: the loss, or a trained number, is no longer finite.
        """
        turns = self.turns(epoch)
        while True:
            try:
                next(turns)
            except StopIteration as end:
                row: Row = end.value
                return row

    def turns(self, epoch: int) -> Generator[None, None, Row]:
        """As `train_epoch`, in short turns between which others can be trained.

        After each step, and once more when all is queued on the device, before the host waits for it.
        """
        torch.manual_seed(key_of("epoch", self.seed, epoch) >> 1)
        self.network.train()
        self._step.reset()
        train = self.data.train
        order = permutation(len(train), "order", self.seed, epoch, device=train.labels.device)
        batches = order.split(self.settings.batch_size)
        rate = 0.0
        for step, indices in enumerate(batches):
            rate = learning_rate(self.settings, epoch - 1 + step / len(batches))
            self._step(indices, rate)
            yield
        validation = sums(self.network, self.data.validation, self.data)
        test = sums(self.network, self.data.test, self.data)
        selection = self._compare_selection() if self.is_slot_machine else None
        finite = torch.stack([parameter.isfinite().all() for parameter in self.network.parameters()]).all()
        yield
        train_loss = self._step.loss_sum.item() / len(train)
        # A slot machine's weights are bounded: its loss stays finite even where what it trains does not.
        if not math.isfinite(train_loss) or not finite:
            what = "the trained numbers" if math.isfinite(train_loss) else "the loss"
            raise UserError(
                f"{what} became infinite or NaN in epoch {epoch}; "
                f"lower the learning rate ({self.settings.learning_rate:g}) of the recipe"
            )
        val_loss, val_accuracy = means(validation, len(self.data.validation))
        _, test_accuracy = means(test, len(self.data.test))
        return {
            "epoch": epoch,
            "learning_rate": rate,
            "train_loss": train_loss,
            "train_accuracy": 100 * self._step.correct.item() / len(train),
            "val_loss": val_loss,
            "val_accuracy": val_accuracy,
            "test_accuracy": test_accuracy,
            **self._selection_row(selection),
        }

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next epoch depends on."""
        return {"network": self.network.state_dict(), "optimiser": self._step.optimiser.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.network.load_state_dict(state["network"])
        self._step.load_state_dict(state["optimiser"])
        self._selected = self._selected_weights()

    def weights(self) -> dict[str, Tensor]:
        """The weights that evaluation uses, as the state dict of an ordinary network."""
        return baked_state(self.network)

    def _selected_weights(self) -> dict[str, Tensor]:
        if not self.is_slot_machine:
            return {}
        return {one.name: one.selector.best_weight(one.trained) for one in slot_machines(self.network)}

    def _compare_selection(self) -> tuple[Tensor, Tensor]:
        """Of each weight: how many connections use another value than one epoch before, and the sum of abs(w).

        Two options of a connection have the same value with probability 2^-24 only, so few changes are missed.
        """
        before, self._selected = self._selected, self._selected_weights()
        changed = [(before[name] != weight).sum() for name, weight in self._selected.items()]
        return torch.stack(changed), torch.stack([weight.abs().sum() for weight in self._selected.values()])

    def _selection_row(self, selection: tuple[Tensor, Tensor] | None) -> Row:
        """Share of connections whose best option is another than one epoch before, and mean abs(w) / b."""
        if selection is None:
            return {"changed_share": None, "mean_magnitude": None}
        changed, magnitudes = (per_weight.tolist() for per_weight in selection)
        connections = sum(weight.numel() for weight in self._selected.values())
        bounds = [one.selector.pool.value_bound for one in slot_machines(self.network)]
        magnitude = sum(total / bound for total, bound in zip(magnitudes, bounds, strict=True))
        return {"changed_share": sum(changed) / connections, "mean_magnitude": magnitude / connections}
