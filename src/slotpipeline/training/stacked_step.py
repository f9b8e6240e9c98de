"""One step of several small networks of the same shape, as products of stacks of matrices.

A LeNet is too small to fill a GPU: its products of one network after the other are stacked into one product (bmm).
Rounding may differ from that of a network trained alone, as another kernel may add in another order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from slotmachines.slots.convert import is_slot_machine, slot_machines
from slotmachines.slots.together import SelectionTogether
from slotpipeline.training.capture import Capture
from slotpipeline.training.loop import Trainer
from slotpipeline.training.step import make_optimiser, set_rate
from slotpipeline.training.step_parts import StepParts


class StackedStep:
    """Trains the networks of some trainers, all on a batch of their own, in one step.

    They consist of dense layers without biases (`slotpipeline.planning.engine.DENSE`).

    The trainers keep what is theirs: parameters, the state of the optimiser, sums of loss and correct answers.
    """

    def __init__(self, trainers: Sequence[Trainer], *, cuda_graph: bool) -> None:
        """`trainers`: with the same settings and data, that `misfits` allows; `cuda_graph` needs a GPU."""
        first = trainers[0]
        self._settings, self._networks = first.settings, [trainer.network for trainer in trainers]
        self._device = device = first.data.train.labels.device
        self._parts = StepParts(None, first.settings, first.data, first.engine)
        self._selection = self._selection_of_all() if is_slot_machine(first.network) else None
        parameters = [parameter for network in self._networks for parameter in network.parameters()]
        self._optimiser = make_optimiser(parameters, first.settings, device, capturable=cuda_graph)
        self._loss_sums = torch.zeros(len(trainers), dtype=torch.float64, device=device)
        self._correct = torch.zeros(len(trainers), dtype=torch.int64, device=device)
        for trainer, loss_sum, correct in zip(trainers, self._loss_sums, self._correct, strict=True):
            step = trainer.step
            step.loss_sum, step.correct = loss_sum, correct  # parts of the sums of all
            for parameter in trainer.network.parameters():  # one state, which both optimisers know
                self._optimiser.state[parameter] = step.optimiser.state[parameter]
        self._capture = Capture(device) if cuda_graph else None
        self._indices = torch.zeros(len(trainers), first.settings.batch_size, dtype=torch.int64, device=device)

    def __call__(self, indices: Sequence[Tensor], learning_rate: float) -> None:
        """Train each network on its training images of these numbers, int64, equally many of each."""
        set_rate(self._optimiser, learning_rate)
        stacked = torch.stack(list(indices))
        if self._capture is None or stacked.shape != self._indices.shape:
            self._train(stacked)
        else:
            self._indices.copy_(stacked)
            self._capture.run(lambda: self._train(self._indices))

    def _train(self, indices: Tensor) -> None:
        count, batch = indices.shape
        images, labels = self._parts.batch(indices.flatten())
        outputs = self._outputs(images.flatten(1).view(count, batch, -1))
        losses = functional.cross_entropy(outputs.flatten(0, 1), labels, reduction="none").view(count, batch).mean(1)
        self._optimiser.zero_grad()
        losses.sum().backward()
        self._optimiser.step()
        self._loss_sums += losses.detach() * batch
        self._correct += (outputs.detach().argmax(2) == labels.view(count, batch)).sum(1)

    def _outputs(self, inputs: Tensor) -> Tensor:
        """(networks, batch, inputs) -> (networks, batch, classes)."""
        weights = self._weights()
        layers: nn.Sequential = self._networks[0]  # type: ignore[assignment]
        for layer in layers:
            if isinstance(layer, nn.Linear):
                inputs = torch.bmm(inputs, next(weights).transpose(1, 2))
            elif isinstance(layer, nn.ReLU):
                inputs = functional.relu(inputs)
        return inputs

    def _weights(self) -> Iterator[Tensor]:
        """The weights of each layer, of all networks: (networks, outputs, inputs)."""
        count = len(self._networks)
        if self._selection is not None:
            weights = self._selection.weights()
        else:
            layers = zip(*(network.parameters() for network in self._networks), strict=True)
            weights = tuple(weight for layer in layers for weight in layer)
        for first in range(0, len(weights), count):
            yield torch.stack(weights[first : first + count])

    def _selection_of_all(self) -> SelectionTogether:
        """Layer by layer, and network by network within a layer."""
        layers = zip(*(list(slot_machines(network)) for network in self._networks), strict=True)
        return SelectionTogether([one for layer in layers for one in layer])
