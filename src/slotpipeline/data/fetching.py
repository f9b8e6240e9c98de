"""Fetching a dataset: the only step that looks outside the data folder, and never part of training."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from slotmachines.errors import UserError, one_line
from slotpipeline.data.canonical import canonical_path, read_canonical, write_canonical
from slotpipeline.data.dataset import DOWNLOAD_ERRORS, Contents, Dataset
from slotpipeline.data.datasets import find

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
    with temporary as name, _timeout(_PATIENCE_SECONDS):
        pauses = iter(_PAUSES_SECONDS)
        while True:
            try:
                return dataset.download(Path(name))
            except DOWNLOAD_ERRORS as error:
                reason = one_line(error)
            pause = next(pauses, None)
            if pause is None:
                raise UserError(
                    f"cannot download {dataset.name}: {reason}; "
                    "try again, or get it by other means and set SLOTMACHINES_DATA (or --from) to its folder"
                )
            print(f"download of {dataset.name}: {reason}; next try in {pause:g} s", file=sys.stderr)
            time.sleep(pause)


@contextmanager
def _timeout(seconds: float) -> Iterator[None]:
    """Give up on a connection that stays silent for so long; torchvision would wait for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
