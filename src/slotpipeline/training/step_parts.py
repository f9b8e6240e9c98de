"""What a training step does beside passing a batch forward and back: operation by operation, or fused."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from slotmachines.slots.convert import is_slot_machine, slot_machines
from slotmachines.slots.together import SelectionTogether
from slotpipeline.data import Splits, augment
from slotpipeline.planning.engine import Engine
from slotpipeline.runs.recipe import Settings
from slotpipeline.training.fused_parts import FusedBatches, add_up_


class StepParts:
    """The batch, the selection of weights and the sums of a step, as an engine computes them.

    Attributes:
        one: where the gradient of the loss begins; None leaves it to PyTorch, which makes a new 1 in each step.
    """

    def __init__(self, network: nn.Module | None, settings: Settings, data: Splits, engine: Engine) -> None:
        """`network`: None where its weights are selected elsewhere."""
        self._settings, self._data = settings, data
        self._order = torch.channels_last if engine.channels_last else torch.contiguous_format
        self._is_fused = engine.fused
        self.one: Tensor | None = None
        self._batches: FusedBatches | None = None
        self._selection: SelectionTogether | None = None
        if engine.fused:
            self.one = torch.ones((), device=data.train.labels.device)
            self._batches = FusedBatches(data, settings.augmentation, self._order)
            machines = slot_machines(network) if network is not None and is_slot_machine(network) else ()
            greedy = [one for one in machines if one.selector.selection == "greedy"]
            self._selection = SelectionTogether(greedy) if greedy else None

    def batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """The images of these numbers as the network takes them, and their labels."""
        if self._batches is not None:
            return self._batches(indices)
        images, labels = self._data.train.images[indices], self._data.train.labels[indices]
        images = augment(images, self._settings.augmentation)
        if self._order == torch.channels_last:  # while they are bytes, a quarter of the memory
            images = images.contiguous(memory_format=self._order)
        return self._data.normalise(images), labels

    def selected(self) -> AbstractContextManager[Any]:
        """Where the forward pass takes place."""
        return nullcontext() if self._selection is None else self._selection.handed_out()

    def add_up_(self, loss: Tensor, outputs: Tensor, labels: Tensor, loss_sum: Tensor, correct: Tensor) -> None:
        """Add the loss of a batch, times its images, and the number of correct answers to the sums."""
        if self._is_fused:
            add_up_(loss, outputs, labels, loss_sum, correct)
        else:
            loss_sum += loss * len(labels)
            correct += (outputs.argmax(1) == labels).sum()
