"""Fetching: each source format becomes the same kind of file, and nothing damaged gets through."""

import gzip
import hashlib
import io
import pickle
import socket
import tarfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from urllib.error import URLError

import numpy as np
import pytest
import torchvision
from PIL import Image

from slotmachines.errors import UserError
from slotpipeline.data import cifar10, fetch, fetching, mnist
from slotpipeline.data.canonical import read_canonical
from slotpipeline.data.dataset import Contents
from slotpipeline.data.datasets import DATASETS, find

is_reachable = fetching._is_reachable


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


def test_download_goes_through_torchvision_and_cleans_up(mnist_source, tmp_path, monkeypatch):
    def official(root: Path, download: bool) -> None:
        assert download
        (mnist_source / "mnist" / "MNIST").rename(Path(root) / "MNIST")

    monkeypatch.setattr(torchvision.datasets, "MNIST", official)
    path = fetch("mnist", tmp_path / "data")
    assert len(contents(path).train_labels) == 6
    assert list((tmp_path / "data").iterdir()) == [path]


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port at which nobody answers."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_without_internet_a_download_is_not_even_begun(tmp_path, monkeypatch, closed_port):
    monkeypatch.setattr(fetching, "_is_reachable", is_reachable)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(cifar10, "MIRRORS", (f"http://127.0.0.1:{closed_port}/a", f"http://127.0.0.1:{closed_port}/b"))
    monkeypatch.setattr(torchvision.datasets.utils, "download_and_extract_archive", lambda *_, **__: pytest.fail())
    with pytest.raises(UserError, match=r"cannot download cifar10: none of its 2 mirrors answers.*SLOTMACHINES_DATA"):
        fetch("cifar10", tmp_path / "data")
    assert list((tmp_path / "data").iterdir()) == []
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")  # what lies behind it cannot be asked directly
    assert is_reachable(cifar10.MIRRORS)


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
@pytest.mark.parametrize("error", [URLError("no route"), RuntimeError("File not found\nor corrupted."), TimeoutError()])
def test_a_failed_download_says_what_to_do(tmp_path, monkeypatch, without_pauses, name, error):
    def unreachable(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(torchvision.datasets, "MNIST", unreachable)
    monkeypatch.setattr(torchvision.datasets.utils, "download_and_extract_archive", unreachable)
    with pytest.raises(UserError, match=f"cannot download {name}: .*try again.*SLOTMACHINES_DATA") as caught:
        fetch(name, tmp_path / "data")
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "data").iterdir()) == []


@pytest.fixture
def without_pauses(monkeypatch):
    monkeypatch.setattr(fetching, "_PAUSES_SECONDS", (0.0, 0.0))


@pytest.fixture
def server(batches_source, monkeypatch) -> Iterator[Callable[..., list[str]]]:
    """Serve the archive of CIFAR-10; what happens to each request, in its order, is said beforehand."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.add(batches_source / cifar10.BATCHES, cifar10.BATCHES)
    content = packed.getvalue()
    asked, answers = [], []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers["Method"] == "HEAD":  # torchvision asks for redirections first
                self.send_response(200)
                return self.end_headers()
            asked.append(self.path)
            answer = answers.pop(0)
            self.send_response(404 if answer == "missing" else 200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if answer != "missing":
                damaged = content[:-9] + bytes(9) if answer == "damaged" else content
                self.wfile.write(damaged[: len(content) // 2] if answer == "cut" else damaged)

        def log_message(self, *_: object) -> None:
            pass

    http = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=http.serve_forever, daemon=True).start()
    monkeypatch.setenv("no_proxy", "*")
    place = f"http://127.0.0.1:{http.server_port}"
    monkeypatch.setattr(cifar10, "MIRRORS", (f"{place}/first", f"{place}/second"))
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "tgz_md5", hashlib.md5(content).hexdigest())

    def script(*what: str) -> list[str]:
        answers.extend(what)
        return asked

    yield script
    http.shutdown()
    http.server_close()


@pytest.mark.parametrize("first", ["missing", "cut", "damaged"])
def test_a_download_goes_on_at_the_next_mirror(server, tmp_path, first):
    asked = server(first, "whole")
    path = fetch("cifar10", tmp_path / "data")
    assert asked == ["/first", "/second"] and len(contents(path).train_labels) == 4
    assert list((tmp_path / "data").iterdir()) == [path]


def test_a_download_is_tried_again(server, tmp_path, without_pauses, capsys):
    asked = server("cut", "missing", "whole")
    path = fetch("cifar10", tmp_path / "data")
    assert asked == ["/first", "/second", "/first"] and len(contents(path).train_labels) == 4
    assert "download of cifar10: " in capsys.readouterr().err


def test_a_download_that_never_works_leaves_nothing(server, tmp_path, without_pauses):
    asked = server(*["damaged", "missing"] * 3)
    with pytest.raises(UserError, match=r"cannot download cifar10: .*/first: .*; .*/second: .*SLOTMACHINES_DATA"):
        fetch("cifar10", tmp_path / "data")
    assert len(asked) == 6 and list((tmp_path / "data").iterdir()) == []
