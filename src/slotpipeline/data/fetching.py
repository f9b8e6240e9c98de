"""Fetching a dataset: the only step that looks outside the data folder, and never part of training."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from urllib.parse import urlsplit
from urllib.request import getproxies

from slotmachines.errors import UserError, one_line
from slotpipeline.data.canonical import canonical_path, read_canonical, write_canonical
from slotpipeline.data.dataset import DOWNLOAD_ERRORS, Contents, Dataset
from slotpipeline.data.datasets import find

_CONNECT_SECONDS = 5.0
"""In which one of the mirrors has to answer at all."""
_PATIENCE_SECONDS = 60.0
_PAUSES_SECONDS = (2.0, 10.0)
"""Between one try of a download and the next."""


def fetch(name: str, folder: str | Path, source: str | Path | None = None) -> Path:
    """Make sure that the canonical file of a dataset is in the data folder.

    A valid file is left as it is, wherever it came from; a damaged one is replaced.

    Args:
        name: of the dataset.
        folder: the data folder; made if it is missing.
        source: a local folder that holds the dataset, itself or in a subfolder of the dataset's name; it plays no part
            for a dataset that comes with a library. None downloads the official files from their mirrors, in
            several tries, and compares their checksums.

    Returns:
        The path of the canonical file.

    Raises:
        UserError: unknown dataset, a source file that is missing or damaged, a download that failed, or a folder
            that cannot be written to.
    """
    dataset = find(name)
    path = canonical_path(dataset, folder)
    with suppress(UserError):
        read_canonical(path, dataset)
        return path
    if source is None or dataset.read is None:
        contents = _download(dataset, path.parent)
    else:
        contents = dataset.read(_folder_of(dataset, Path(source)))
    write_canonical(path, dataset, contents)
    return path


def _folder_of(dataset: Dataset, source: Path) -> Path:
    if not source.is_dir():
        raise UserError(
            f"{source} is not a folder; set SLOTMACHINES_DATA (or --from) to the folder that holds {dataset.name}"
        )
    named = source / dataset.name
    return named if named.is_dir() else source


def _download(dataset: Dataset, folder: Path) -> Contents:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary = TemporaryDirectory(dir=folder, prefix=".download-")
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror}; choose a folder you may write to") from None
    mirrors = dataset.mirrors()
    if mirrors and not _is_reachable(mirrors):
        temporary.cleanup()
        raise _failed(dataset, f"none of its {len(mirrors)} mirrors answers within {_CONNECT_SECONDS:g} s")
    with temporary as name, _timeout(_PATIENCE_SECONDS):
        pauses = iter(_PAUSES_SECONDS)
        while True:
            try:
                return dataset.download(Path(name))
            except DOWNLOAD_ERRORS as error:
                reason = one_line(error)
            pause = next(pauses, None)
            if pause is None:
                raise _failed(dataset, reason)
            print(f"download of {dataset.name}: {reason}; next try in {pause:g} s", file=sys.stderr)
            time.sleep(pause)


def _failed(dataset: Dataset, reason: str) -> UserError:
    return UserError(
        f"cannot download {dataset.name}: {reason}; "
        "try again, or get it by other means and set SLOTMACHINES_DATA (or --from) to its folder"
    )


def _is_reachable(mirrors: Sequence[str]) -> bool:
    """Whether one of some addresses takes a connection within a few seconds; True where a proxy would have to tell.

    A machine without internet may drop what it sends, so that each try of a download would wait for a minute.
    """
    if {"http", "https", "all"} & set(getproxies()):
        return True
    answered = Event()

    def knock(address: str) -> None:
        parts = urlsplit(address)
        with suppress(OSError):
            port = parts.port or (443 if parts.scheme == "https" else 80)
            socket.create_connection((parts.hostname or "", port), _CONNECT_SECONDS).close()
            answered.set()

    # To look up a name has no time limit: such a thread is left behind.
    knocking = [Thread(target=knock, args=(address,), daemon=True) for address in mirrors]
    for thread in knocking:
        thread.start()
    end = time.monotonic() + _CONNECT_SECONDS
    while time.monotonic() < end and any(thread.is_alive() for thread in knocking):
        if answered.wait(0.05):
            break
    return answered.is_set()


@contextmanager
def _timeout(seconds: float) -> Iterator[None]:
    """Give up on a connection that stays silent for so long; torchvision would wait for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
