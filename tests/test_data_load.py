"""Loading: the split, the shapes and the normalisation that training relies on, and what it refuses."""

import dataclasses
import os

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from slotmachines.errors import UserError
from slotpipeline.data import fetch, load
from slotpipeline.data.canonical import read_canonical, write_canonical
from slotpipeline.data.dataset import Contents, Dataset
from slotpipeline.data.datasets import DATASETS

SHAPE = (1, 28, 28)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    fetch("digits", folder)
    return folder


def tiny(dataset: Dataset) -> Contents:
    images = np.arange(4 * np.prod(dataset.shape)).astype(np.uint8).reshape(4, *dataset.shape)
    return Contents(images, np.arange(4, dtype=np.uint8), images[:2], np.arange(2, dtype=np.uint8), "a test", "a note")


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 8, 8)])
def test_digits_fit_every_network(folder, shape):
    splits = load("digits", folder, shape, validation=150)
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [1350, 150, 297]
    for part in (splits.train, splits.validation, splits.test):
        assert part.images.shape == (len(part), *shape) and part.images.dtype == torch.uint8
        assert part.labels.dtype == torch.int64 and set(part.labels.tolist()) == set(range(10))
        assert (part.images == part.images[:, :1]).all()
    assert splits.train.images.max() == 255 and splits.train.images.min() == 0


@settings(max_examples=10, deadline=None)
@given(validation=st.integers(1, 1499), seed=st.integers(0, 2**32))
def test_the_split_holds_out_the_same_images_whatever_the_seed(folder, validation, seed):
    torch.manual_seed(seed)
    splits = load("digits", folder, (1, 8, 8), validation)
    whole = read_canonical(folder / "digits.safetensors", DATASETS["digits"])[0]
    images = torch.cat([splits.validation.images, splits.train.images])
    labels = torch.cat([splits.validation.labels, splits.train.labels])
    # Held out first, then the rest: one fixed order of all training images, cut at `validation`.
    reference = load("digits", folder, (1, 8, 8), 1)
    assert torch.equal(images, torch.cat([reference.validation.images, reference.train.images]))
    assert torch.equal(labels, torch.cat([reference.validation.labels, reference.train.labels]))
    rows = torch.cat([images.flatten(1), labels[:, None]], 1).tolist()
    stored = np.concatenate([whole.train_images.reshape(1500, -1), whole.train_labels[:, None]], 1).tolist()
    assert sorted(rows) == sorted(stored)
    assert splits.test.labels.tolist() == whole.test_labels.tolist()


def test_the_split_stays_the_same_for_ever(folder):
    # Another order would orphan every result obtained before.
    assert load("digits", folder, SHAPE, 150).train.labels[:12].tolist() == [4, 9, 0, 4, 3, 2, 3, 5, 5, 6, 6, 0]


def test_normalisation(tmp_path):
    for name in ("mnist", "cifar10"):
        write_canonical(tmp_path / f"{name}.safetensors", DATASETS[name], tiny(DATASETS[name]))
    mnist, cifar10 = load("mnist", tmp_path, (1, 28, 28), 1), load("cifar10", tmp_path, (3, 32, 32), 1)
    batch = torch.tensor([0, 51, 255], dtype=torch.uint8).view(3, 1, 1, 1)
    torch.testing.assert_close(mnist.normalise(batch).flatten(), torch.tensor([0, 0.2, 1]))
    got = cifar10.normalise(batch.expand(3, 3, 2, 2))
    assert got.dtype == torch.float32 and got.shape == (3, 3, 2, 2)
    expected = [(0.2 - mean) / std for mean, std in ((0.4914, 0.247), (0.4822, 0.243), (0.4465, 0.261))]
    torch.testing.assert_close(got[1, :, 0, 0], torch.tensor(expected))
    assert cifar10.note == "a note" and len(cifar10.digest) == 64


@pytest.mark.parametrize("validation", [-1, 0, 1500, 10_000])
def test_more_held_out_images_than_there_are(folder, validation):
    with pytest.raises(UserError, match="of the 1500 training images of digits; take 1 to 1499"):
        load("digits", folder, SHAPE, validation)


def test_images_that_do_not_fit_the_network(tmp_path):
    write_canonical(tmp_path / "mnist.safetensors", DATASETS["mnist"], tiny(DATASETS["mnist"]))
    with pytest.raises(UserError, match="images of mnist are 1 x 28 x 28, the network takes 3 x 32 x 32"):
        load("mnist", tmp_path, (3, 32, 32), 1)


def test_missing_file_and_unknown_dataset(tmp_path):
    with pytest.raises(UserError, match="run: slotmachines fetch mnist"):
        load("mnist", tmp_path, SHAPE, 1)
    with pytest.raises(UserError, match="unknown dataset"):
        load("imagenet", tmp_path, SHAPE, 1)


def test_every_damaged_byte_is_noticed(tmp_path):
    dataset = dataclasses.replace(DATASETS["mnist"], shape=(1, 2, 2))
    path = tmp_path / "mnist.safetensors"
    write_canonical(path, dataset, tiny(dataset))
    content = path.read_bytes()
    damaged = [content[:length] for length in range(len(content))]
    for position in range(len(content)):
        flipped = bytearray(content)
        flipped[position] ^= 1 << position % 8
        damaged.append(bytes(flipped))
    for version in damaged:
        path.write_bytes(version)
        with pytest.raises(UserError, match=r"mnist\.safetensors is damaged.*delete it and run: slotmachines fetch"):
            read_canonical(path, dataset)


@pytest.mark.parametrize(
    "change",
    [
        {"train_images": np.zeros((4, 1, 32, 32), np.uint8)},
        {"train_images": np.zeros((4, 1, 28, 28), np.float32)},
        {"test_labels": np.zeros(3, np.uint8)},
        {"test_labels": np.zeros(0, np.uint8), "test_images": np.zeros((0, 1, 28, 28), np.uint8)},
    ],
)
def test_wrong_tensors_are_refused(tmp_path, change):
    path = tmp_path / "mnist.safetensors"
    write_canonical(path, DATASETS["mnist"], dataclasses.replace(tiny(DATASETS["mnist"]), **change))
    with pytest.raises(UserError, match="damaged or not the mnist file"):
        load("mnist", tmp_path, SHAPE, 1)


def test_the_file_of_another_dataset_is_refused(folder, tmp_path):
    (tmp_path / "mnist.safetensors").write_bytes((folder / "digits.safetensors").read_bytes())
    with pytest.raises(UserError, match="damaged or not the mnist file"):
        load("mnist", tmp_path, SHAPE, 1)


@pytest.mark.skipif(not os.environ.get("SLOTMACHINES_DATA"), reason="SLOTMACHINES_DATA names no folder with MNIST")
def test_real_mnist(tmp_path):
    fetch("mnist", tmp_path, os.environ["SLOTMACHINES_DATA"])
    splits = load("mnist", tmp_path, SHAPE, validation=10_000)
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [50_000, 10_000, 10_000]
    labels = torch.cat([splits.train.labels, splits.validation.labels])
    # Numbers of images per class of the official training set.
    assert labels.bincount().tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert splits.normalise(splits.train.images).mean().item() == pytest.approx(0.1307, abs=0.001)
