"""What a dataset is: its images, and how to get them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

DOWNLOAD_ERRORS = (OSError, EOFError, HTTPException, RuntimeError)
"""What torchvision lets through: no network, a full disk, a broken archive, a wrong checksum."""


@dataclass(frozen=True)
class Contents:
    """The images (uint8, (N, C, H, W)) and labels (uint8, (N,)) of a dataset, as its authors divided them.

    `source` says which form they were read from, and `note` what a result obtained on them has to mention.
    """

    train_images: Bytes
    train_labels: Bytes
    test_images: Bytes
    test_labels: Bytes
    source: str
    note: str = ""

    @property
    def arrays(self) -> dict[str, Bytes]:
        """The four arrays by name."""
        return {
            "train_images": self.train_images,
            "train_labels": self.train_labels,
            "test_images": self.test_images,
            "test_labels": self.test_labels,
        }


@dataclass(frozen=True)
class Dataset:
    """One dataset of the registry.

    Attributes:
        name: what the command line and the configs call it.
        label: what readers know it by.
        shape: (channels, height, width) of an image.
        train_count: number of training images, those held out for validation included.
        mean, std: per channel, for images scaled to [0, 1].
        read: the contents from a local folder; a missing or damaged file is a `UserError` that names it. None where
            the images come with a library, and are in no folder.
        download: the contents from the network, through the given folder, which the caller removes; it may hold what
            an earlier attempt left.
        mirrors: the addresses that the download tries; none where the images come with a library.
        resizable: whether images may be scaled up and repeated over channels to fit a network.
    """

    name: str
    label: str
    shape: tuple[int, int, int]
    train_count: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    read: Callable[[Path], Contents] | None
    download: Callable[[Path], Contents]
    mirrors: Callable[[], Sequence[str]] = tuple
    resizable: bool = False
