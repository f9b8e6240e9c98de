"""Fresh training images for every step: real ones where they are at hand."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks.cases import SEED, batch_of, dataset_of, input_shape
from benchmarks.training_arms import Batch
from slotpipeline.data import augment, fetch, load
from slotpipeline.data.canonical import canonical_path, read_canonical
from slotpipeline.data.datasets import find


def fetched_dataset(network: str, folder: Path) -> tuple[str, str]:
    """A dataset to train a network on, made sure to be in the data folder: its name, and the note on its contents.

    It is the network's own, where it was fetched before or `SLOTMACHINES_DATA` names a folder that holds it, else
    scikit-learn's digits, scaled up.
    """
    name = dataset_of(network)
    source = os.environ.get("SLOTMACHINES_DATA")
    if not source and not canonical_path(find(name), folder).exists():
        name = "digits"
    contents, _ = read_canonical(fetch(name, folder, source), find(name))
    return name, contents.note


def fresh_batches(network: str, dataset: str, folder: Path, device: torch.device) -> Iterator[Batch]:
    """Batches without end: shuffled anew in each pass, and each image shifted (but for MNIST) at random."""
    data = load(dataset, folder, input_shape(network), validation=1, device=device)
    augmentation = "none" if dataset == "mnist" else "crop-flip"
    torch.manual_seed(SEED)
    while True:
        order = torch.randperm(len(data.train), device=device)
        for indices in order.split(batch_of(network)):
            if len(indices) == batch_of(network):
                yield data.normalise(augment(data.train.images[indices], augmentation)), data.train.labels[indices]
