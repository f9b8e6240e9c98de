"""Parts of a training step as one operation each: on a GPU with Triton one kernel, elsewhere the same bits by PyTorch.

Both are operators of PyTorch, so that a traced step shows each of them as one.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from slotpipeline.data import Splits
from slotpipeline.data.augmentation import Draws, changed, draw


class FusedBatches:
    """Batches of training images, normalised: gathered, shifted, mirrored and normalised in one operation."""

    def __init__(self, data: Splits, augmentation: str, order: torch.memory_format) -> None:
        """`order`: of the images in memory."""
        self._images, self._labels = data.train.images.contiguous(), data.train.labels
        self._augmentation = augmentation
        self._is_last = order == torch.channels_last
        channels = self._images.shape[1]
        every_byte = torch.arange(256, dtype=torch.uint8, device=self._images.device)
        # One row per channel. A table of what `normalise` makes of each byte has the bits of this device.
        self._table = data.normalise(every_byte.expand(1, channels, 1, 256)).reshape(channels, 256).contiguous()

    def __call__(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """The images of these numbers, float32 (N, C, H, W), and their labels."""
        drawn = draw(len(indices), self._augmentation, indices.device)
        images, labels = batch(self._images, self._labels, indices, self._table, *drawn, self._is_last)
        return images, labels


@torch.library.custom_op("slotpipeline::batch", mutates_args=())
def batch(
    images: Tensor,
    labels: Tensor,
    indices: Tensor,
    table: Tensor,
    shift: Tensor | None,
    chance: Tensor | None,
    channels_last: bool,
) -> tuple[Tensor, Tensor]:
    """Images of some numbers and their labels.

    Args:
        images: all of them, uint8 (n, C, H, W).
        labels: int64 (n,).
        indices: int64 (N,).
        table: float32 (C, 256), what becomes of each byte.
        shift, chance: see `Draws`.
        channels_last: whether the result has its channels last in memory.
    """
    if images.is_cuda and find_spec("triton"):
        from slotpipeline.training import step_kernels

        return step_kernels.batch(images, labels, indices, table, shift, chance, _order(channels_last))
    bytes_ = changed(images[indices], Draws(shift, chance))
    channel = torch.arange(images.shape[1], device=images.device).view(1, -1, 1, 1)
    return table[channel, bytes_.long()].contiguous(memory_format=_order(channels_last)), labels[indices]


@batch.register_fake
def _(images: Tensor, labels: Tensor, indices: Tensor, table: Tensor, *more: Any) -> tuple[Tensor, Tensor]:
    shape = (len(indices), *images.shape[1:])
    return torch.empty(shape, device=images.device).contiguous(memory_format=_order(more[-1])), labels[indices]


def _order(channels_last: bool) -> torch.memory_format:
    return torch.channels_last if channels_last else torch.contiguous_format


@torch.library.custom_op("slotpipeline::add_up_", mutates_args=("loss_sum", "correct"))
def add_up_(loss: Tensor, outputs: Tensor, labels: Tensor, loss_sum: Tensor, correct: Tensor) -> None:
    """Add the loss of a batch, times its images, to `loss_sum`, and the number of correct answers to `correct`.

    Args:
        loss: scalar, the mean of the batch.
        outputs: float32 (N, classes).
        labels: int64 (N,).
        loss_sum: float64 scalar.
        correct: int64 scalar.
    """
    if outputs.is_cuda and find_spec("triton"):
        from slotpipeline.training import step_kernels

        return step_kernels.add_up_(loss, outputs, labels, loss_sum, correct)
    loss_sum += loss * len(labels)
    correct += (outputs.argmax(1) == labels).sum()


@add_up_.register_fake
def _nothing(loss: Tensor, outputs: Tensor, labels: Tensor, loss_sum: Tensor, correct: Tensor) -> None:
    return None
