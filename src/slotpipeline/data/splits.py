"""Loading a dataset for training: split, held as tensors on the training device, normalised batch by batch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from slotmachines.errors import UserError
from slotmachines.slots.philox import permutation
from slotpipeline.data.canonical import canonical_path, read_canonical
from slotpipeline.data.dataset import Bytes, Dataset
from slotpipeline.data.datasets import find


@dataclass(frozen=True)
class ImageSet:
    """Images, uint8 of shape (N, C, H, W), and their labels, int64 of shape (N,), on one device."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Splits:
    """The three parts of a dataset.

    `note` is what a result obtained on the data has to mention (empty: nothing); `digest` is the SHA-256 of the
    contents of the data file. `mean` and `std` have shape (C, 1, 1).
    """

    train: ImageSet
    validation: ImageSet
    test: ImageSet
    mean: Tensor
    std: Tensor
    note: str
    digest: str

    def normalise(self, images: Tensor) -> Tensor:
        """A batch of uint8 images as float32: scaled to [0, 1], less the mean, over the standard deviation."""
        return (images.to(torch.float32) / 255 - self.mean) / self.std


def load(
    name: str,
    folder: str | Path,
    input_shape: tuple[int, int, int],
    validation: int,
    device: torch.device | str = "cpu",
) -> Splits:
    """Load the canonical file of a dataset onto a device.

    Which training images are held out for validation depends on the dataset and their number alone, never on the
    seed of a run; a larger validation set contains each smaller one.

    Args:
        name: of the dataset.
        folder: the data folder.
        input_shape: (channels, height, width) that the network takes.
        validation: number of training images to hold out.
        device: where the images and labels are to be.

    Raises:
        UserError: unknown dataset, a file that is missing or damaged, images that do not fit the network, or more
            images to hold out than there are.
    """
    dataset = find(name)
    contents, digest = read_canonical(canonical_path(dataset, folder), dataset)
    count = len(contents.train_labels)
    if not 0 < validation < count:
        raise UserError(f"cannot hold out {validation} of the {count} training images of {name}; take 1 to {count - 1}")
    images, labels = _fitting(dataset, contents.train_images, input_shape), torch.from_numpy(contents.train_labels)
    order = permutation(count, "split", name)

    def image_set(images: Tensor, labels: Tensor) -> ImageSet:
        return ImageSet(images.to(device), labels.to(device, torch.int64))

    return Splits(
        train=image_set(images[order[validation:]], labels[order[validation:]]),
        validation=image_set(images[order[:validation]], labels[order[:validation]]),
        test=image_set(
            _fitting(dataset, contents.test_images, input_shape),
            torch.from_numpy(contents.test_labels),
        ),
        mean=torch.tensor(dataset.mean, device=device).view(-1, 1, 1),
        std=torch.tensor(dataset.std, device=device).view(-1, 1, 1),
        note=contents.note,
        digest=digest,
    )


def _fitting(dataset: Dataset, images: Bytes, shape: tuple[int, int, int]) -> Tensor:
    """The images in the shape that the network takes: as they are or, where the dataset allows it, resized."""
    tensor = torch.from_numpy(images)
    if dataset.shape == shape:
        return tensor
    if not dataset.resizable:
        raise UserError(
            f"images of {dataset.name} are {_times(dataset.shape)}, the network takes {_times(shape)}; "
            "choose another dataset or network"
        )
    resized = functional.interpolate(tensor.to(torch.float32), shape[1:], mode="bilinear", align_corners=False)
    return resized.round().to(torch.uint8).expand(-1, *shape).contiguous()


def _times(shape: tuple[int, int, int]) -> str:
    return " x ".join(map(str, shape))
