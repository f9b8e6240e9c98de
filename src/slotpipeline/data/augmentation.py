"""Random changes to training images, a whole batch at once on the device of the batch.

The randomness is that of torch's global generator of the device, which a run seeds in each epoch.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from slotmachines.errors import UserError

CROP_PADDING = 4
AUGMENTATIONS = {"none": (False, False), "flip": (False, True), "crop-flip": (True, True)}
"""Name -> whether images are shifted, and whether some are mirrored."""


class Draws(NamedTuple):
    """The random numbers that change a batch.

    Attributes:
        shift: int64 (2, N, 1), rows and columns by which each image is shifted, from 0 to 8, where 4 leaves it as it
            is; None for no shift.
        chance: (N, 1, 1, 1), uniform in [0, 1); an image below 1/2 is mirrored; None for no mirroring.
    """

    shift: Tensor | None
    chance: Tensor | None


def augment(images: Tensor, name: str) -> Tensor:
    """A batch of images (N, C, H, W), each changed at random by itself; shape and type stay.

    Args:
        images: as stored, before normalisation; the padding of a crop is black.
        name: `none`, `flip` (mirrored left to right with probability 1/2) or `crop-flip` (shifted by up to 4 pixels
            each way, then `flip`).

    Raises:
        UserError: unknown name.
    """
    return changed(images, draw(len(images), name, images.device))


def draw(count: int, name: str, device: torch.device) -> Draws:
    """What `augment` draws for a batch of so many images.

    Raises:
        UserError: unknown name.
    """
    if name not in AUGMENTATIONS:
        raise UserError(f"unknown augmentation {name!r}; choose one of {', '.join(AUGMENTATIONS)}")
    is_shifted, is_mirrored = AUGMENTATIONS[name]
    return Draws(
        torch.randint(2 * CROP_PADDING + 1, (2, count, 1), device=device) if is_shifted else None,
        torch.rand(count, 1, 1, 1, device=device) if is_mirrored else None,
    )


def changed(images: Tensor, draws: Draws) -> Tensor:
    """A batch of images, changed by what was drawn for them."""
    if draws.shift is not None:
        images = _shifted(images, draws.shift)
    if draws.chance is not None:
        images = torch.where(draws.chance < 0.5, images.flip(-1), images)
    return images


def _shifted(images: Tensor, shift: Tensor) -> Tensor:
    count, channels, height, width = images.shape
    padded = functional.pad(images, (CROP_PADDING,) * 4)
    top, left = shift
    rows = top + torch.arange(height, device=images.device)
    columns = left + torch.arange(width, device=images.device)
    image = torch.arange(count, device=images.device).view(-1, 1, 1, 1)
    channel = torch.arange(channels, device=images.device).view(1, -1, 1, 1)
    return padded[image, channel, rows.view(count, 1, -1, 1), columns.view(count, 1, 1, -1)]
