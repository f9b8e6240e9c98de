"""Random changes to training images, a whole batch at once on the device of the batch.

The randomness is that of torch's global generator of the device, which a run seeds in each epoch.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from slotmachines.errors import UserError

_CROP_PADDING = 4


def augment(images: Tensor, name: str) -> Tensor:
    """A batch of images (N, C, H, W), each changed at random by itself; shape and type stay.

    Args:
        images: as stored, before normalisation; the padding of a crop is black.
        name: `none`, `flip` (mirrored left to right with probability 1/2) or `crop-flip` (shifted by up to 4 pixels
            each way, then `flip`).

    Raises:
        UserError: unknown name.
    """
    if name not in AUGMENTATIONS:
        raise UserError(f"unknown augmentation {name!r}; choose one of {', '.join(AUGMENTATIONS)}")
    return AUGMENTATIONS[name](images)


def _none(images: Tensor) -> Tensor:
    return images


def _flip(images: Tensor) -> Tensor:
    mirrored = torch.rand(len(images), 1, 1, 1, device=images.device) < 0.5
    return torch.where(mirrored, images.flip(-1), images)


def _crop(images: Tensor) -> Tensor:
    count, channels, height, width = images.shape
    padded = functional.pad(images, (_CROP_PADDING,) * 4)
    top, left = torch.randint(2 * _CROP_PADDING + 1, (2, count, 1), device=images.device)
    rows = top + torch.arange(height, device=images.device)
    columns = left + torch.arange(width, device=images.device)
    image = torch.arange(count, device=images.device).view(-1, 1, 1, 1)
    channel = torch.arange(channels, device=images.device).view(1, -1, 1, 1)
    return padded[image, channel, rows.view(count, 1, -1, 1), columns.view(count, 1, 1, -1)]


def _crop_flip(images: Tensor) -> Tensor:
    return _flip(_crop(images))


AUGMENTATIONS: dict[str, Callable[[Tensor], Tensor]] = {"none": _none, "flip": _flip, "crop-flip": _crop_flip}
