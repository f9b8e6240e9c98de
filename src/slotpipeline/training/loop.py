"""The training loop: one for slot machines, learned baselines and finetuning."""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any

import torch
from torch import Tensor, nn

from slotmachines.errors import UserError
from slotmachines.rivals.apply import altered_share, begin_epoch_, masks_of
from slotmachines.selectable import weight_selectors
from slotmachines.slots.convert import baked_state, is_slot_machine, slot_machines
from slotmachines.slots.philox import key_of, permutation
from slotpipeline.data import Splits
from slotpipeline.runs.recipe import Settings
from slotpipeline.training.evaluation import means, sums
from slotpipeline.training.schedule import learning_rate
from slotpipeline.training.step import TrainingStep

Row = dict[str, Any]

SELECTION_COLUMNS = ("changed_share", "mean_magnitude", "altered_share")
"""Of a row of a curve, where there is a selection: the share of connections whose best option is another one than one
epoch before; mean abs(w) / b of a slot machine; the share of connections that a mask prunes or flips."""


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
        self._round = 1
        self._step = TrainingStep(network, settings, data, cuda_graph=cuda_graph)
        self._choices = self._current_choices()

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
        if begin_epoch_(self.network, epoch):
            self._step.restart()
            self._round += 1
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
        selection = self._compare_selection()
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
            **{name: selection[name].item() if name in selection else None for name in SELECTION_COLUMNS},
            "round": self._round,
        }

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next epoch depends on."""
        return {
            "network": self.network.state_dict(),
            "optimiser": self._step.optimiser.state_dict(),
            "round": self._round,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.network.load_state_dict(state["network"])
        self._step.load_state_dict(state["optimiser"])
        self._round = state["round"]
        self._choices = self._current_choices()

    def weights(self) -> dict[str, Tensor]:
        """The weights that evaluation uses, as the state dict of an ordinary network."""
        return baked_state(self.network)

    def _current_choices(self) -> dict[str, Tensor]:
        """What tells the choice of each weight from that of another epoch."""
        return {one.name: one.selector.choice(one.trained) for one in weight_selectors(self.network)}

    def _compare_selection(self) -> dict[str, Tensor]:
        """What the row of an epoch says of the choices, as numbers that no host has waited for.

        Two options of a connection have the same value with probability 2^-24 only, so few changes are missed.
        """
        before, self._choices = self._choices, self._current_choices()
        connections = sum(choice.numel() for choice in before.values())
        found = {}
        if before:
            changed = torch.stack([(before[name] != choice).sum() for name, choice in self._choices.items()])
            found["changed_share"] = changed.sum().double() / connections
        if is_slot_machine(self.network):
            sizes = [
                self._choices[one.name].abs().sum().double() / one.selector.pool.value_bound
                for one in slot_machines(self.network)
            ]
            found["mean_magnitude"] = torch.stack(sizes).sum() / connections
        if masks_of(self.network):
            found["altered_share"] = altered_share(self.network)
        return found
