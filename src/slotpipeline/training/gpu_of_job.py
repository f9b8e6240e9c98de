"""Whether a job was given a GPU, or its machine has one, that PyTorch cannot use."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import torch

from slotmachines.errors import UserError, one_line

_GIVEN = ("SLURM_JOB_GPUS", "SLURM_STEP_GPUS", "CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")
"""What clusters set to the GPUs of a job; CUDA and ROCm read the last three."""
_NONE = ("", "-1", "none", "void", "nodevfiles")
"""Values that hide every GPU."""
_INSTALLED = (Path("/proc/driver/nvidia/gpus"), Path("/sys/class/kfd/kfd/topology/nodes"))
"""Where the drivers of NVIDIA and of AMD list GPUs on Linux; AMD's nodes are processors as well."""


def unused_gpu_notice() -> str:
    """Call this where PyTorch sees no GPU: a line where the machine has one all the same; blank where it has none.

    Raises:
        UserError: the job was given a GPU. It would hold the GPU and train on the processor, many times slower.
    """
    if given := given_gpu(os.environ):
        raise UserError(
            f"this job has a GPU ({given}), which PyTorch cannot use: {_why()}; install a PyTorch for that driver "
            "(docs/troubleshooting.md), or, to train on the processor, give --device cpu or unset the variable"
        )
    if any(_has_gpu(folder) for folder in _INSTALLED):
        return f"training on the processor: this machine has a GPU, but PyTorch cannot use it: {_why()}"
    return ""


def given_gpu(environment: Mapping[str, str]) -> str:
    """The variable by which the job was given a GPU, with its value; blank if it was given none."""
    hidden = environment.get("CUDA_VISIBLE_DEVICES")
    if hidden is not None and hidden.strip().lower() in _NONE:
        return ""  # by the user, or by a cluster for a job without GPUs
    for name in _GIVEN:
        if environment.get(name, "").strip().lower() not in _NONE:
            return f"{name}={environment[name].strip()}"
    return ""


def _has_gpu(folder: Path) -> bool:
    try:
        nodes = list(folder.iterdir())
        # A processor among AMD's nodes has the identity 0.
        return any(int((node / "gpu_id").read_text() or 0) if (node / "gpu_id").is_file() else True for node in nodes)
    except (OSError, ValueError):
        return False


def _why() -> str:
    build = f"PyTorch {torch.__version__}"
    if torch.version.cuda is None and torch.version.hip is None:
        return f"{build} is built for processors alone"
    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:
        return f"{build}: {one_line(error)}"
    return f"{build} sees no GPU"
