"""Folders of tiny datasets in the formats of their sources; their checksums count as the official ones."""

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
import torchvision

from slotpipeline.data import fetching, mnist
from slotpipeline.data.canonical import read_canonical
from slotpipeline.data.dataset import Contents
from slotpipeline.data.datasets import find


@pytest.fixture(autouse=True)
def reachable(monkeypatch) -> None:
    """No test asks the real mirrors."""
    monkeypatch.setattr(fetching, "_is_reachable", lambda _: True)


def contents(path: Path) -> Contents:
    return read_canonical(path, find(path.stem))[0]


def random_bytes(*shape: int, high: int = 256) -> np.ndarray:
    return np.random.default_rng(len(shape)).integers(high, size=shape, dtype=np.uint8)


@pytest.fixture
def mnist_arrays() -> dict[str, np.ndarray]:
    return {
        "train-images-idx3-ubyte": random_bytes(6, 28, 28),
        "train-labels-idx1-ubyte": random_bytes(6, high=10),
        "t10k-images-idx3-ubyte": random_bytes(3, 28, 28),
        "t10k-labels-idx1-ubyte": random_bytes(3, high=10),
    }


@pytest.fixture
def mnist_source(tmp_path, monkeypatch, mnist_arrays) -> Path:
    """A folder with a tiny MNIST in the official format, whose checksums count as the official ones."""
    raw = tmp_path / "source" / "mnist" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, array in mnist_arrays.items():
        sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
        (raw / name).write_bytes(bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes())
    checksums = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in raw.iterdir()}
    monkeypatch.setattr(mnist, "CHECKSUMS", checksums)
    return tmp_path / "source"


@pytest.fixture
def batches_source(tmp_path, monkeypatch) -> Path:
    """A folder with tiny CIFAR-10 batches: image i of the training set is i everywhere in its red channel."""
    folder = tmp_path / "source" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    for name, first in (("data_batch_1", 0), ("data_batch_2", 2), ("test_batch", 4)):
        data = np.zeros((2, 3072), np.uint8)
        data[:, :1024] = [[first], [first + 1]]
        (folder / name).write_bytes(pickle.dumps({"data": data, "labels": [first, first + 1]}))

    def listed(*names: str) -> list[list[str]]:
        return [[name, hashlib.md5((folder / name).read_bytes()).hexdigest()] for name in names]

    monkeypatch.setattr(torchvision.datasets.CIFAR10, "train_list", listed("data_batch_1", "data_batch_2"))
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "test_list", listed("test_batch"))
    return folder.parent
