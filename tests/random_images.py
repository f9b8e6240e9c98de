"""A dataset of random images: where only speed, or the device, matters, and no file has to be there."""

import torch

from slotpipeline.data import ImageSet, Splits


def random_splits(shape=(1, 28, 28), train: int = 44, device: str = "cpu") -> Splits:
    """`train` images to train on and 20 each to evaluate on, of 10 classes."""
    generator = torch.Generator().manual_seed(0)

    def part(count: int) -> ImageSet:
        images = torch.randint(256, (count, *shape), dtype=torch.uint8, generator=generator)
        return ImageSet(images.to(device), torch.randint(10, (count,), generator=generator).to(device))

    mean, std = (torch.full((shape[0], 1, 1), value, device=device) for value in (0.4, 0.3))
    return Splits(part(train), part(20), part(20), mean, std, note="", digest="")
