"""Downloads: mirrors that fail, tries that follow, and nothing left behind."""

# Fixtures are imported, and then named as arguments.
# ruff: noqa: F401, F811

import hashlib
import io
import socket
import tarfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from urllib.error import URLError

import pytest
import torchvision

from slotmachines.errors import UserError
from slotpipeline.data import cifar10, fetch, fetching
from tiny_sources import batches_source, contents, mnist_arrays, mnist_source, reachable

is_reachable = fetching._is_reachable


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
