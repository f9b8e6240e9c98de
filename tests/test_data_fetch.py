"""Fetching: each source format becomes the same kind of file, and nothing damaged gets through."""

# Fixtures are imported, and then named as arguments.
# ruff: noqa: F401, F811

import gzip
import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from slotmachines.errors import UserError
from slotpipeline.data import cifar10, fetch
from slotpipeline.data.canonical import read_canonical
from slotpipeline.data.datasets import DATASETS
from tiny_sources import batches_source, contents, mnist_arrays, mnist_source, random_bytes, reachable


@pytest.fixture
def parquet_source(tmp_path, monkeypatch) -> Path:
    """A folder with a tiny CIFAR-10 in Parquet: two training files and one for testing, three images each."""
    pandas = pytest.importorskip("pandas")
    folder = tmp_path / "source" / "cifar10"
    folder.mkdir(parents=True)
    names = ("train-00000-of-00002.parquet", "train-00001-of-00002.parquet", "test-00000-of-00001.parquet")
    for name, images in zip(names, random_bytes(3, 3, 32, 32, 3), strict=True):
        packed = []
        for image in images:
            file = io.BytesIO()
            Image.fromarray(image).save(file, "webp", lossless=True, exact=True)
            packed.append({"bytes": file.getvalue(), "path": None})
        frame = pandas.DataFrame({"img": packed, "label": [7, 8, 9], "exact": [True, False, True]})
        frame.to_parquet(folder / name)
    checksums = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    monkeypatch.setattr(cifar10, "PARQUET_TRAIN", {name: checksums[name] for name in names[:2]})
    monkeypatch.setattr(cifar10, "PARQUET_TEST", {names[2]: checksums[names[2]]})
    return folder.parent


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("subfolder", ["", "mnist"])
def test_mnist_files_are_read(mnist_source, mnist_arrays, tmp_path, packed, subfolder):
    raw = mnist_source / "mnist" / "MNIST" / "raw"
    if packed:
        for file in list(raw.iterdir()):
            (raw / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
            file.unlink()
    source = mnist_source if subfolder == "" else mnist_source / subfolder
    got = contents(fetch("mnist", tmp_path / "data", source))
    np.testing.assert_array_equal(got.train_images[:, 0], mnist_arrays["train-images-idx3-ubyte"])
    np.testing.assert_array_equal(got.train_labels, mnist_arrays["train-labels-idx1-ubyte"])
    np.testing.assert_array_equal(got.test_images[:, 0], mnist_arrays["t10k-images-idx3-ubyte"])
    np.testing.assert_array_equal(got.test_labels, mnist_arrays["t10k-labels-idx1-ubyte"])
    assert got.note == ""


def test_cifar10_batches_are_read(batches_source, tmp_path):
    got = contents(fetch("cifar10", tmp_path / "data", batches_source))
    assert got.train_images.shape == (4, 3, 32, 32) and got.test_images.shape == (2, 3, 32, 32)
    assert got.train_labels.tolist() == [0, 1, 2, 3] and got.test_labels.tolist() == [4, 5]
    assert (got.train_images[:, 0] == np.arange(4)[:, None, None]).all() and not got.train_images[:, 1:].any()
    assert got.note == ""


def test_cifar10_parquet_is_read_and_says_what_is_not_exact(parquet_source, tmp_path):
    got = contents(fetch("cifar10", tmp_path / "data", parquet_source))
    images = random_bytes(3, 3, 32, 32, 3).transpose(0, 1, 4, 2, 3)
    np.testing.assert_array_equal(got.train_images, np.concatenate([images[0], images[1]]))
    np.testing.assert_array_equal(got.test_images, images[2])
    assert got.train_labels.tolist() == [7, 8, 9, 7, 8, 9]
    assert got.note == "3 of 9 images not bit-exact"


def damage(path: Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    path.unlink()
    if how == "flipped":
        content[len(content) // 2] ^= 1
    if how != "missing":
        path.write_bytes(content[:-1] if how == "truncated" else content)


@pytest.mark.parametrize("how", ["missing", "truncated", "flipped"])
@pytest.mark.parametrize(
    ("form", "file"),
    [
        ("mnist_source", "mnist/MNIST/raw/t10k-labels-idx1-ubyte"),
        ("mnist_source", "mnist/MNIST/raw/train-images-idx3-ubyte"),
        ("batches_source", "cifar-10-batches-py/data_batch_2"),
        ("parquet_source", "cifar10/train-00001-of-00002.parquet"),
    ],
)
def test_a_damaged_source_file_is_named_and_leaves_nothing(request, tmp_path, form, file, how):
    source = request.getfixturevalue(form)
    damage(source / file, how)
    with pytest.raises(UserError, match=Path(file).name):
        fetch("mnist" if form == "mnist_source" else "cifar10", tmp_path / "data", source)
    assert not (tmp_path / "data").exists()


def test_a_damaged_gz_file_is_named(mnist_source, tmp_path):
    file = mnist_source / "mnist" / "MNIST" / "raw" / "train-labels-idx1-ubyte"
    file.with_suffix(".gz").write_bytes(gzip.compress(file.read_bytes())[:-5])
    file.unlink()
    with pytest.raises(UserError, match=r"train-labels-idx1-ubyte\.gz is damaged"):
        fetch("mnist", tmp_path / "data", mnist_source)


def test_anything_but_the_official_mnist_is_refused(mnist_source, tmp_path, monkeypatch):
    monkeypatch.undo()
    with pytest.raises(UserError, match="not the expected file"):
        fetch("mnist", tmp_path / "data", mnist_source)


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_a_source_without_the_dataset_is_refused(tmp_path, name):
    with pytest.raises(UserError, match=r"no (MNIST|CIFAR-10) in"):
        fetch(name, tmp_path / "data", tmp_path)
    with pytest.raises(UserError, match="not a folder"):
        fetch(name, tmp_path / "data", tmp_path / "nowhere")


def test_unknown_dataset_lists_the_known_ones(tmp_path):
    with pytest.raises(UserError, match="unknown dataset 'imagenet'; choose one of digits, mnist, cifar10"):
        fetch("imagenet", tmp_path)


def test_a_valid_file_is_left_alone_and_a_damaged_one_replaced(mnist_source, tmp_path):
    path = fetch("mnist", tmp_path / "data", mnist_source)
    before, inode = path.read_bytes(), path.stat().st_ino
    assert fetch("mnist", tmp_path / "data", tmp_path / "nowhere") == path
    assert path.stat().st_ino == inode
    damage(path, "flipped")
    fetch("mnist", tmp_path / "data", mnist_source)
    assert path.read_bytes() == before


def test_the_file_is_the_same_on_each_machine(tmp_path):
    # Two fetches, of which the second does not see the first; the digest also pins the division of the digits.
    first, second = fetch("digits", tmp_path / "a"), fetch("digits", tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()
    digest = read_canonical(first, DATASETS["digits"])[1]
    assert digest == "a2c01797fa248216bcd60abebe2ccc36e4da9fb71c7e8a7a7adf5b8ffa14aada"
