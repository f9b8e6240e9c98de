"""The datasets there are."""

from __future__ import annotations

from slotmachines.data.cifar10 import CIFAR10
from slotmachines.data.dataset import Dataset
from slotmachines.data.digits import DIGITS
from slotmachines.data.mnist import MNIST
from slotmachines.errors import UserError

DATASETS = {dataset.name: dataset for dataset in (DIGITS, MNIST, CIFAR10)}


def find(name: str) -> Dataset:
    """The dataset of that name.

    Raises:
        UserError: there is none.
    """
    if name not in DATASETS:
        raise UserError(f"unknown dataset {name!r}; choose one of {', '.join(DATASETS)}")
    return DATASETS[name]
