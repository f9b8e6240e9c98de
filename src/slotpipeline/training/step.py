"""One step of training, from the numbers of a batch's images to the trained network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer

from slotmachines.rivals.apply import masks_of, penalty_of
from slotpipeline.data import Splits
from slotpipeline.planning.engine import DEFAULT_ENGINE, Engine
from slotpipeline.runs.recipe import Settings
from slotpipeline.training.capture import Capture
from slotpipeline.training.step_parts import StepParts

_GATHERED = {"sgd": ("momentum_buffer",), "adam": ("step", "exp_avg", "exp_avg_sq")}
"""What an optimiser keeps of each parameter."""


class TrainingStep:
    """Trains a network on one batch at a time; on a GPU, the host waits for no step.

    A step is launch-bound where the network is small. As a CUDA graph it is launched as a whole, see `Capture`; in the
    steps before the capture SGD makes its momentum. A smaller batch, as an epoch may end with, is always taken one
    operation after the other.

    Attributes:
        optimiser: with the settings of the recipe.
        loss_sum: float64 scalar, the loss summed over the images since `reset`, on the device of the images.
        correct: int64 scalar, how many of them were classified correctly.
    """

    def __init__(
        self,
        network: nn.Module,
        settings: Settings,
        data: Splits,
        *,
        cuda_graph: bool = False,
        engine: Engine = DEFAULT_ENGINE,
    ) -> None:
        """`cuda_graph` needs a GPU."""
        self._network = network
        self._engine = engine
        # For full batches only: for the smaller one at the end of an epoch it would be compiled again.
        self._compiled = torch.compile(network, fullgraph=True, dynamic=False) if engine.compiled else network
        self._masks = masks_of(network)
        self._settings = settings
        self._data = data
        self._device = device = data.train.labels.device
        self.optimiser = make_optimiser(network.parameters(), settings, device, capturable=cuda_graph)
        self._is_graph = cuda_graph
        self._parts = StepParts(network, settings, data, engine)
        self.loss_sum = torch.zeros((), dtype=torch.float64, device=device)
        self.correct = torch.zeros((), dtype=torch.int64, device=device)
        self._capture = Capture(device) if cuda_graph else None
        self._indices = torch.zeros(settings.batch_size, dtype=torch.int64, device=device)

    def __call__(self, indices: Tensor, learning_rate: float) -> None:
        """Train on the training images of these numbers, int64, on their device."""
        self.set_rate(learning_rate)
        if self._capture is None or len(indices) < self._settings.batch_size:
            self.train_on(indices)
        else:
            self._indices.copy_(indices)
            self._capture.run(lambda: self.train_on(self._indices))

    def reset(self) -> None:
        """Begin new sums."""
        self.loss_sum.zero_()
        self.correct.zero_()

    def restart(self) -> None:
        """Forget what the optimiser gathered."""
        self.optimiser = make_optimiser(
            self._network.parameters(), self._settings, self._device, capturable=self._is_graph
        )
        self._forget_graph()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from the state of the optimiser of an equal step, on any device.

        Raises:
            ValueError: it is the state of another optimiser, or of another network.
        """
        own = self.optimiser.state_dict()["param_groups"]  # the settings, and what of them depends on the device
        self.optimiser.load_state_dict({**state, "param_groups": own})
        gathered = _GATHERED[self._settings.optimiser]
        for parameter, values in self.optimiser.state.items():
            shapes = {name: value.shape for name, value in values.items() if value is not None}
            if set(shapes) - set(gathered) or not all(shape in (parameter.shape, ()) for shape in shapes.values()):
                raise ValueError(f"the state of the optimiser is not that of {self._settings.optimiser}")
            for name in set(shapes) - {"step"}:  # older checkpoints hold a scalar for the scale of a slot machine
                values[name] = values[name].reshape(parameter.shape)
        self._forget_graph()

    def _forget_graph(self) -> None:
        if self._capture is not None:  # a graph knows the tensors that were replaced
            self._capture = Capture(self._device)

    def set_rate(self, learning_rate: float) -> None:
        """Of the steps to come."""
        set_rate(self.optimiser, learning_rate)

    def train_on(self, indices: Tensor) -> None:
        """Train on the images of these numbers, one operation after the other."""
        images, labels = self._parts.batch(indices)
        network = self._compiled if len(indices) == self._settings.batch_size else self._network
        with _precision(self._settings, self._device), self._parts.selected():
            outputs = network(images)
        outputs = outputs.float()
        loss = functional.cross_entropy(outputs, labels)
        penalty = penalty_of(self._masks)
        self.optimiser.zero_grad()
        (loss if penalty is None else loss + penalty).backward(self._parts.one)
        self.optimiser.step()
        self._parts.add_up_(loss.detach(), outputs.detach(), labels, self.loss_sum, self.correct)


def _precision(settings: Settings, device: torch.device) -> AbstractContextManager[Any]:
    """Where products and convolutions are in the precision of the settings."""
    if settings.precision == "float32":
        return nullcontext()
    # Each weight is used once in a step, so that nothing is gained by keeping it, and a graph must not.
    return torch.autocast(device.type, getattr(torch, settings.precision), cache_enabled=False)


def set_rate(optimiser: Optimizer, learning_rate: float) -> None:
    """Set the learning rate, also of a graph that was captured."""
    for group in optimiser.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(learning_rate)
        else:
            group["lr"] = learning_rate


def make_optimiser(
    parameters: Iterable[nn.Parameter], settings: Settings, device: torch.device, *, capturable: bool
) -> Optimizer:
    """The optimiser of a recipe's settings; `capturable`: whether its steps may be captured in a graph."""
    is_gpu = device.type == "cuda"
    # A graph would keep a number as it was at its capture.
    rate = (
        torch.tensor(settings.learning_rate, dtype=torch.float32, device=device) if is_gpu else settings.learning_rate
    )
    common: dict[str, Any] = {"lr": rate, "weight_decay": settings.weight_decay, "fused": True if is_gpu else None}
    if settings.optimiser == "adam":
        return torch.optim.Adam(parameters, **common, capturable=capturable)
    return torch.optim.SGD(parameters, **common, momentum=settings.momentum)
