"""Where a result comes from: the code, the machine and the versions that made it."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch


def provenance(device: torch.device) -> dict[str, Any]:
    """Commit, hardware and versions, as they are recorded with each run."""
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    return {
        "commit": commit(),
        "device": gpu or "cpu",
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "tf32": gpu is not None and torch.backends.cuda.matmul.allow_tf32,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "cuda": torch.version.cuda if gpu else None,
        "slotmachines": _installed_version(),
        "system": platform.platform(),
    }


def commit() -> str:
    """The git commit of the source, "-dirty" behind it if the source has uncommitted changes.

    `SLOTMACHINES_COMMIT` stands in where the source was copied without its repository.
    """
    if "SLOTMACHINES_COMMIT" in os.environ:
        return os.environ["SLOTMACHINES_COMMIT"]
    source = Path(__file__).resolve().parents[1]
    head = _git(source, "rev-parse", "HEAD")
    if head is None:
        return "unknown"
    return head + ("-dirty" if _git(source, "status", "--porcelain", "--untracked-files=no", "--", ".") else "")


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        answer = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _installed_version() -> str:
    try:
        return version("slotmachines")
    except PackageNotFoundError:  # run from the source tree alone, with PYTHONPATH
        return "source"
