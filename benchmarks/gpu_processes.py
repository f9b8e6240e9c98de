"""Training steps of several processes that share a GPU: for `benchmarks.run_gpu_profile`."""

from __future__ import annotations

import time
from multiprocessing import get_context
from typing import Any

import torch

from benchmarks.gpu_profile import Steps, Way, wait
from slotpipeline.training.device import prepare_device

_SECONDS_TO_START = 180.0
"""How long a process may take until it can train: it loads PyTorch, compiles kernels and captures a graph."""


def processes(way: Way, device: torch.device, seconds: float, count: int = 3) -> dict[str, Any]:
    """Several processes on one device at the same time: milliseconds of a step, per run.

    Raises:
        RuntimeError: a process did not come to its steps.
    """
    context = get_context("spawn")  # CUDA does not survive a fork
    barrier, answers = context.Barrier(count), context.Queue()
    arguments = (way, str(device), seconds, barrier, answers)
    started = [context.Process(target=_train_for, args=arguments, daemon=True) for _ in range(count)]
    for process in started:
        process.start()
    try:
        rates = [answers.get(timeout=_SECONDS_TO_START + seconds) for _ in started]
    except Exception as error:
        raise RuntimeError(f"a process did not answer: {type(error).__name__}") from None
    finally:
        for process in started:
            process.join(10)
            if process.is_alive():
                process.kill()
    if failed := [rate for rate in rates if isinstance(rate, str)]:
        raise RuntimeError(failed[0])
    return {"step_ms": 1000 / sum(rates)}


def _train_for(way: Way, device_name: str, seconds: float, barrier: Any, answers: Any) -> None:
    """In a process of its own: take steps for some seconds, once all processes can, and answer how many a second."""
    try:
        device = prepare_device(device_name, 1, device_name.startswith("cuda"), way.engine)
        ready = Steps(way, device)
        ready.take(6)
        wait(device)
        barrier.wait(_SECONDS_TO_START)
        begin, taken, at_once = time.perf_counter(), 0, 20 if device.type == "cuda" else 1
        while time.perf_counter() - begin < seconds:
            ready.take(at_once)
            wait(device)
            taken += at_once
        answers.put(taken / (time.perf_counter() - begin))
    except Exception as error:
        barrier.abort()
        answers.put(f"{type(error).__name__}: {error}"[:300])
