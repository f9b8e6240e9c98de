"""A run to be trained: where its files go, and on what."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from slotpipeline.planning.engine import DEFAULT_ENGINE, Engine
from slotpipeline.runs.run import Run


@dataclass(frozen=True)
class TrainingJob:
    """A run, where its files go, and how it is trained; `slotpipeline.training.train.train_run` says more.

    Attributes:
        folder: of the run's files.
        device: of torch, or "auto", see `slotpipeline.training.placement`.
        log_dir: where TensorBoard's scalars go, in a folder per run; None for no scalars.
        cuda_graph: whether each step is one CUDA graph; None leaves it to `slotpipeline.training.device`.
        engine: how a step is computed.
    """

    run: Run
    folder: Path
    checkpoint: Path
    data_folder: Path
    start_weights: Path | None = None
    keep_epochs: tuple[int, ...] = ()
    device: str = "auto"
    threads: int = 1
    cuda_graph: bool | None = None
    log_dir: Path | None = None
    engine: Engine = DEFAULT_ENGINE
