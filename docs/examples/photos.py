"""Patches of 32 x 32 of the two photographs that scikit-learn brings along: a temple in China, and a flower."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from slotpipeline.data.dataset import Bytes, Contents, Dataset


def _patches(pictures: Bytes) -> tuple[Bytes, Bytes]:
    """The patches of pictures (N, H, W, 3), and which picture each is from."""
    count, rows, columns = len(pictures), pictures.shape[1] // 32, pictures.shape[2] // 32
    grid = pictures[:, : 32 * rows, : 32 * columns].reshape(count, rows, 32, columns, 32, 3)
    patches = grid.transpose(0, 1, 3, 5, 2, 4).reshape(-1, 3, 32, 32)
    return patches, np.repeat(np.arange(count, dtype=np.uint8), rows * columns)


def _contents(_: Path) -> Contents:
    from sklearn.datasets import load_sample_images

    pictures = np.stack(load_sample_images().images)
    left, right = _patches(pictures[:, :, :448]), _patches(pictures[:, :, 448:])
    return Contents(*left, *right, source="scikit-learn's load_sample_images")


PHOTOS = Dataset(
    "photos", "photographs", (3, 32, 32), 364, mean=(0.5,) * 3, std=(0.25,) * 3, read=None, download=_contents
)
