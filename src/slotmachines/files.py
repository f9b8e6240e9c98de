"""Writing files so that no reader ever sees half of one, whenever the process or the machine stops."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from slotmachines.errors import UserError, one_line

_ABANDONED_AFTER_SECONDS = 24 * 3600
"""A temporary file that nobody has written to for so long belongs to a process that was killed."""


def require_writable(folder: Path) -> None:
    """Learn now, not after hours, whether files can be written into a folder; it is made if it is missing.

    Raises:
        UserError: they cannot.
    """
    probe = folder / ".probe"
    with replacing(probe):
        pass
    probe.unlink(missing_ok=True)


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block ends without an error.

    The folder of `path` is made if it is missing. Whatever stops the block, `path` holds either its old
    content or all of the new content, also after a power cut: the content is on the disk before the name is, and the
    name is when the block has ended. What a killed process left beside `path` is removed after a day.

    Raises:
        UserError: the folder cannot be written to.
    """
    path = Path(path)
    try:
        _make_room(path)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    except OSError as error:
        raise UserError(f"cannot write to {path.parent}: {_reason(error)}; choose a folder you may write to") from None
    temporary = Path(name)
    try:
        os.close(handle)
        yield temporary
        # mkstemp makes files private to the user; results are to be readable like any other new file.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        _flush(temporary)
        temporary.replace(path)
        _flush_folder(path.parent)
    except OSError as error:
        raise _unwritten(path, error) from None
    finally:
        with suppress(OSError):  # the next writer removes it
            temporary.unlink()


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """As `replacing`, for a folder and all in it: an empty one is yielded, and takes the place of `path` at the end.

    Between the old folder and the new one there is a moment without any.

    Raises:
        UserError: the folder, or a file in it, cannot be written.
    """
    temporary = None
    try:
        _make_room(path)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
        yield temporary
        temporary.chmod(0o755)
        for place in temporary.rglob("*"):
            (_flush_folder if place.is_dir() else _flush)(place)
        _flush_folder(temporary)
        shutil.rmtree(path, ignore_errors=True)
        temporary.rename(path)
        _flush_folder(path.parent)
    except OSError as error:
        raise _unwritten(path, error) from None
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def _make_room(path: Path) -> None:
    """Make the folder of a path, and remove what killed processes left beside the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in [place for place in path.parent.iterdir() if place.name.startswith(f".{path.name}.")]:
        with suppress(FileNotFoundError):  # others tidy up as well
            if time.time() - left.stat().st_mtime > _ABANDONED_AFTER_SECONDS:
                shutil.rmtree(left) if left.is_dir() else left.unlink()


def _flush(file: Path) -> None:
    """Wait until the content of a file is on the disk."""
    with file.open("rb+") as written:  # Windows flushes only what may be written
        os.fsync(written.fileno())


def _flush_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, where the file system can say so."""
    with suppress(OSError):  # Windows cannot open a folder
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def _unwritten(path: Path, error: OSError) -> UserError:
    return UserError(f"cannot write {path}: {_reason(error)}; free some space or choose another folder")


def _reason(error: OSError) -> str:
    return error.strerror or one_line(error)
