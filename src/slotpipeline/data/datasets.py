"""The datasets there are. Adding one takes a file like `mnist.py`, and one line below (docs/extending.md)."""

from __future__ import annotations

from pkgutil import resolve_name

from slotmachines.errors import UserError, did_you_mean
from slotpipeline.data.dataset import Dataset

_DATASETS = (
    "slotpipeline.data.digits:DIGITS",
    "slotpipeline.data.mnist:MNIST",
    "slotpipeline.data.cifar10:CIFAR10",
)

DATASETS: dict[str, Dataset] = {dataset.name: dataset for dataset in map(resolve_name, _DATASETS)}


def find(name: str) -> Dataset:
    """The dataset of that name.

    Raises:
        UserError: the name is unknown.
    """
    if name not in DATASETS:
        raise UserError(f"unknown dataset {name!r}; choose one of {', '.join(DATASETS)}{did_you_mean(name, DATASETS)}")
    return DATASETS[name]


def dataset_label(name: str) -> str:
    """What readers know a dataset by; of one that is not in the registry, as results may name, its name."""
    return DATASETS[name].label if name in DATASETS else name
