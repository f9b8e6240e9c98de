"""The device that a run is trained on, and its precision."""

from __future__ import annotations

import warnings
from importlib.util import find_spec

import torch

from slotmachines.errors import UserError, one_line
from slotmachines.methods import find_method
from slotpipeline.planning.engine import DEFAULT_ENGINE, Engine


def prepare_device(name: str, threads: int, cuda_graph: bool, engine: Engine = DEFAULT_ENGINE) -> torch.device:
    """The device of that name, with the precision of the paper, and that number of processor threads.

    Whether cuDNN tries its algorithms is set for the process, so that a run does not depend on the one before it.

    Raises:
        UserError: the device does not exist, or graphs were asked for without a GPU or without Triton.
    """
    device = _device(name)
    if cuda_graph and device.type != "cuda":
        raise UserError(
            f"a CUDA graph needs a GPU, and this run would use the {device.type}; "
            "leave out --cuda-graph, or give --device cuda on a machine with a GPU"
        )
    if engine.captured_evaluation and device.type != "cuda":
        raise UserError(
            f"captured evaluation needs a GPU, and this run would use the {device.type}; "
            "leave out --engine captured-evaluation, or give --device cuda on a machine with a GPU"
        )
    if (cuda_graph or engine.captured_evaluation) and not find_spec("triton"):
        raise UserError(
            "a CUDA graph of a slot machine needs Triton; install it, "
            "or give --no-cuda-graph and no --engine captured-evaluation"
        )
    if device.type == "cuda":
        torch.cuda.set_device(device)  # also for what asks for no device by name
        allow_tf32()
    torch.backends.cudnn.benchmark = engine.cudnn_benchmark
    torch.set_num_threads(threads)
    return device


def graph_by_default(device: str, method: str) -> bool:
    """Whether each step is replayed as one CUDA graph by default: on a GPU with Triton, except for rivals.

    On a GPU, graphs of slot machines and of learned weights were compared with single operations; those of rivals were
    not.
    """
    return device.partition(":")[0] == "cuda" and find_spec("triton") is not None and not find_method(method).rule


def allow_tf32() -> None:
    """Let GPUs round the factors of a product to TF32, in convolutions and dense layers alike; sums stay float32."""
    with warnings.catch_warnings():
        # Some versions of PyTorch recommend newer names of these settings, which others do not know.
        warnings.filterwarnings("ignore", "Please use the new API settings", UserWarning)
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.backends.cudnn.allow_tf32 = True


def _device(name: str) -> torch.device:
    try:
        return torch.empty(0, device=name).device  # of "cuda", the index too
    except (RuntimeError, AssertionError) as error:
        reason = one_line(error)
        raise UserError(f"cannot use device {name!r}: {reason}; use 'cpu', or 'cuda' on a machine with a GPU") from None
