"""Which GPU a job takes where several jobs run on a machine, with one GPU or several."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import torch
from filelock import FileLock, Timeout

from slotmachines.errors import UserError
from slotpipeline.training.gpu_of_job import unused_gpu_notice


@contextmanager
def device_of_job(name: str) -> Iterator[str]:
    """The device to train on within the block: the named one or, for "auto", the least used GPU, if there is any.

    Only GPUs in `CUDA_VISIBLE_DEVICES` are considered, which a cluster may set. The least used GPU is the one on which
    the fewest jobs of this user were placed in this way.

    Raises:
        UserError: the job was given a GPU that PyTorch cannot use, or the folder in which the jobs of this user take
            their GPUs cannot be written.
    """
    if name != "auto":
        yield name
    elif not torch.cuda.is_available():
        if notice := unused_gpu_notice():
            print(notice, file=sys.stderr)
        yield "cpu"
    else:
        with least_used([_gpu(index) for index in range(torch.cuda.device_count())], _folder()) as index:
            yield f"cuda:{index}"


def jobs_on(device: str) -> int | None:
    """How many jobs have taken a GPU, such as "cuda:0"; None where that is not known.

    It is known of GPUs that were taken by `device_of_job("auto")`.
    """
    kind, _, index = device.partition(":")
    if kind != "cuda" or not torch.cuda.is_available():
        return None
    try:
        return jobs_with(_gpu(int(index or 0)), _folder())
    except OSError:
        return None


def jobs_with(gpu: str, folder: Path) -> int | None:
    """How many jobs have taken the GPU of that name, see `least_used`; None if none has.

    Raises:
        OSError: the folder is missing or cannot be written.
    """
    with FileLock(folder / "choosing"):  # a file that is not locked yet must not be taken for one that is left over
        return sum(map(_is_locked, folder.glob(f"{gpu}.*"))) or None


def _gpu(index: int) -> str:
    """The name of a GPU. An index does not mean the same GPU in jobs that see different ones."""
    return str(torch.cuda.get_device_properties(index).uuid)


def _folder() -> Path:
    """Where the jobs of this user take their GPUs."""
    return Path(tempfile.gettempdir(), f"slotmachines-gpus-{os.getuid() if hasattr(os, 'getuid') else ''}")


@contextmanager
def least_used(gpus: Sequence[str], folder: Path) -> Iterator[int]:
    """Take the GPU that the fewest processes have taken, the first of these, until the block ends; yields its index.

    To take a GPU is to lock a file; the operating system unlocks it when the process ends, even if it is killed.

    Args:
        gpus: names of the GPUs, the same in all processes.
        folder: of the locked files, the same in all processes that are to know of each other; made if it is missing.

    Raises:
        UserError: the folder cannot be written.
    """
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        with FileLock(folder / "choosing"):  # one process at a time
            taken = [sum(map(_is_locked, folder.glob(f"{gpu}.*"))) for gpu in gpus]
            index = taken.index(min(taken))
            mine = FileLock(folder / f"{gpus[index]}.{uuid4().hex}")
            mine.acquire()
    except OSError as error:
        raise UserError(
            f"cannot write to {folder}: {error.strerror}; set TMPDIR to a folder you may write to"
        ) from None
    try:
        yield index
    finally:
        mine.release()


def _is_locked(file: Path) -> bool:
    """Whether a process holds the file; otherwise the process has ended, and the file goes."""
    try:
        with FileLock(file, blocking=False):
            pass
    except Timeout:
        return True
    file.unlink(missing_ok=True)
    return False
