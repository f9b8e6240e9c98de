"""Loss and accuracy of a network on a set of images."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize

from slotmachines.rivals.apply import evaluation_samples
from slotpipeline.data import ImageSet, Splits
from slotpipeline.training.capture import Capture

_BATCH = 1000


def evaluate(network: nn.Module, images: ImageSet, data: Splits) -> tuple[float, float]:
    """Mean cross-entropy and accuracy in percent, in evaluation mode: slot machines use their best options.

    Where masks are drawn in evaluation too, both are the mean over several draws (`evaluation_samples`).
    """
    return means(sums(network, images, data), len(images))


@torch.no_grad()
def sums(network: nn.Module, images: ImageSet, data: Splits, *, channels_last: bool = False) -> Tensor:
    """The sum of the cross-entropy and the number of correct answers, float64 (2,), without waiting for the device.

    Args:
        channels_last: see `slotpipeline.planning.engine.Engine`.
    """
    order = torch.channels_last if channels_last else torch.contiguous_format
    network.eval()
    samples = evaluation_samples(network)
    loss = torch.zeros((), dtype=torch.float64, device=images.labels.device)
    correct = torch.zeros((), dtype=torch.int64, device=images.labels.device)
    for _ in range(samples):
        with parametrize.cached():  # the weights do not change between the batches
            for first in range(0, len(images), _BATCH):
                labels = images.labels[first : first + _BATCH]
                batch = images.images[first : first + _BATCH].contiguous(memory_format=order)
                outputs = network(data.normalise(batch))
                loss += functional.cross_entropy(outputs, labels, reduction="sum")
                correct += (outputs.argmax(1) == labels).sum()
    return torch.stack([loss, correct.double()]) / samples


def means(sums: Tensor, count: int) -> tuple[float, float]:
    """Mean and percentage from the `sums` of a number of images."""
    loss, correct = sums.tolist()
    return loss / count, 100 * correct / count


class CapturedSums:
    """`sums` of a network on some sets of images, as one CUDA graph from the second call on."""

    def __init__(self, network: nn.Module, parts: Sequence[ImageSet], data: Splits, *, channels_last: bool) -> None:
        """The device has to be a GPU."""
        self._network, self._parts, self._data, self._channels_last = network, parts, data, channels_last
        self._device = data.train.labels.device
        self._sums = torch.zeros(len(parts), 2, dtype=torch.float64, device=self._device)
        self.forget()

    def __call__(self) -> tuple[Tensor, ...]:
        """The `sums` of each set, of the network as it is now."""
        self._network.eval()  # a replay does not change the mode
        self._capture.run(self._evaluate)
        return self._sums.clone().unbind()

    def forget(self) -> None:
        """Capture again: what the network consists of was replaced."""
        self._capture = Capture(self._device, calls_before=1)

    def _evaluate(self) -> None:
        for own, part in zip(self._sums, self._parts, strict=True):
            own.copy_(sums(self._network, part, self._data, channels_last=self._channels_last))
