"""Where a result comes from: the code, the machine and the versions that made it."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

SOURCE = Path(__file__).resolve().parents[2]
"""The folder of both packages."""


def provenance(device: torch.device, recipes: Sequence[Path] = ()) -> dict[str, Any]:
    """Commit, hardware and versions, as they are recorded with each run; `recipes`: see `commit`."""
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    return {
        "commit": commit(recipes),
        "device": gpu or "cpu",
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "tf32": _tf32() if gpu else "",
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "cuda": torch.version.cuda if gpu else None,
        "slotmachines": _installed_version(),
        "system": platform.platform(),
    }


def together(origins: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One provenance for a run that was resumed: where its parts differ, all of them in their order, "a + b"."""
    merged = {}
    for name in origins[-1]:
        parts = list(dict.fromkeys(origin.get(name, "unknown") for origin in origins))
        merged[name] = parts[0] if len(parts) == 1 else " + ".join(map(str, parts))
    return merged


def commit(recipes: Sequence[Path] = (), source: Path = SOURCE) -> str:
    """The git commit of the source, "-dirty" behind it if that commit does not hold all that a run depends on.

    These are both packages, with new files in them, the folder of recipes, and each recipe file that is used.
    `SLOTMACHINES_COMMIT` stands in where the source was copied without its repository.

    Args:
        recipes: the recipe files of the user's that are used.
        source: the folder of both packages, in a repository.
    """
    if "SLOTMACHINES_COMMIT" in os.environ:
        return os.environ["SLOTMACHINES_COMMIT"]
    head = _git(source, "rev-parse", "HEAD")
    if head is None or not _git(source, "ls-files", "--", "slotpipeline"):  # not a repository, or not this one's code
        return "unknown"
    used = [str(recipe.resolve()) for recipe in recipes]
    are_known = _git(source, "ls-files", "--error-unmatch", "--", *used) is not None
    folders = [str(source), str(source.parent / "config" / "recipes")]
    changes = _git(source, "status", "--porcelain", "--untracked-files=all", "--", *folders, *used)
    return head if are_known and not changes else f"{head}-dirty"


def _tf32() -> str:
    """Where a GPU may round float32 to TF32: "matmul", "convolution", both joined by "+", or blank."""
    allowed = {"matmul": torch.backends.cuda.matmul.allow_tf32, "convolution": torch.backends.cudnn.allow_tf32}
    return "+".join(name for name, is_allowed in allowed.items() if is_allowed)


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
