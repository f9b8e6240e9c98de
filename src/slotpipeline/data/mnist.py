"""MNIST: 60,000 and 10,000 handwritten digits of 28 x 28 (Y. LeCun, C. Cortes, C. Burges)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from slotmachines.errors import UserError
from slotpipeline.data.checksums import read_verified
from slotpipeline.data.dataset import Bytes, Contents, Dataset

# SHA-256 of the official files, unpacked.
CHECKSUMS = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


def _read(folder: Path) -> Contents:
    raw = folder / "MNIST" / "raw"
    if not raw.is_dir():
        raise UserError(f"no MNIST in {folder}: it has no folder MNIST/raw; name the folder that holds it")
    return Contents(
        _values(raw, "train-images-idx3-ubyte", header=16).reshape(-1, 1, 28, 28),
        _values(raw, "train-labels-idx1-ubyte", header=8),
        _values(raw, "t10k-images-idx3-ubyte", header=16).reshape(-1, 1, 28, 28),
        _values(raw, "t10k-labels-idx1-ubyte", header=8),
        source="MNIST, the official files",
    )


def _values(raw: Path, name: str, header: int) -> Bytes:
    """The bytes that follow the header of an idx file; the checksum has settled what the header says."""
    packed = raw / f"{name}.gz"
    path = packed if packed.exists() and not (raw / name).exists() else raw / name
    return np.frombuffer(read_verified(path, CHECKSUMS[name]), np.uint8, offset=header)


def _download(folder: Path) -> Contents:
    from torchvision import datasets

    datasets.MNIST(folder, download=True)
    return _read(folder)


def _mirrors() -> Sequence[str]:
    from torchvision.datasets.mnist import MNIST as OFFICIAL

    return list(OFFICIAL.mirrors)


MNIST = Dataset(
    "mnist",
    "MNIST",
    (1, 28, 28),
    60_000,
    mean=(0.0,),
    std=(1.0,),
    read=_read,
    download=_download,
    mirrors=_mirrors,
)
