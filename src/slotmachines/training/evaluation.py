"""Loss and accuracy of a network on a set of images."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrize

from slotmachines.data import ImageSet, Splits

_BATCH = 1000


@torch.no_grad()
def evaluate(network: nn.Module, images: ImageSet, data: Splits) -> tuple[float, float]:
    """Mean cross-entropy and accuracy in percent, in evaluation mode: slot machines use their best options."""
    network.eval()
    loss = torch.zeros((), dtype=torch.float64, device=images.labels.device)
    correct = torch.zeros((), dtype=torch.int64, device=images.labels.device)
    with parametrize.cached():  # the weights do not change between the batches
        for first in range(0, len(images), _BATCH):
            labels = images.labels[first : first + _BATCH]
            outputs = network(data.normalise(images.images[first : first + _BATCH]))
            loss += functional.cross_entropy(outputs, labels, reduction="sum")
            correct += (outputs.argmax(1) == labels).sum()
    return loss.item() / len(images), 100 * correct.item() / len(images)
