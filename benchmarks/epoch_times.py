"""Seconds per epoch of whole trainings on a GPU: one operation after the other, and as a CUDA graph."""

from __future__ import annotations

import time
from typing import Any

import pandas as pd
import torch

from benchmarks.measurements import rows_of
from slotmachines.methods import METHODS
from slotmachines.networks.names import network_label
from slotpipeline.analysis.text import DASH, number
from slotpipeline.data import Splits
from slotpipeline.runs.run import Run
from slotpipeline.training.loop import Trainer
from slotpipeline.training.start import starting_network

CASE = ["network", "method", "options"]
WAY = ["cuda_graph", "runs_together"]
"""How a case was trained; seeds were trained together until commit 3716c33, and each alone since then."""
SOURCE = ["device", "processor", "torch", "commit"]
COLUMNS = [*CASE, *WAY, "seconds", *SOURCE]

NETWORKS = ("lenet", "conv2", "conv4", "conv6", "vgg19")


def all_cases() -> list[tuple[str, str, int | None, bool]]:
    """Network, method, K, and whether as a graph."""
    greedy = [(network, "greedy", 8, graph) for network in NETWORKS for graph in (False, True)]
    others = [(network, *case, True) for network in NETWORKS for case in (("learned", None), ("probabilistic", 64))]
    return [*greedy, *others]


def seconds_per_epoch(run: Run, data: Splits, *, cuda_graph: bool) -> float:
    """Train a run for two epochs, evaluations included; the time of the second.

    The first one compiles, chooses algorithms and captures.
    """
    device = data.train.labels.device
    trainer = Trainer(starting_network(run, device, None), run.settings, data, seed=run.seed, cuda_graph=cuda_graph)
    _train_epoch(trainer, 1, device)
    begin = time.perf_counter()
    _train_epoch(trainer, 2, device)
    return time.perf_counter() - begin


def _train_epoch(trainer: Trainer, epoch: int, device: torch.device) -> None:
    trainer.train_epoch(epoch)
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def epochs_text(table: pd.DataFrame) -> str:
    """What was measured, in Markdown: one row per network, method and K."""
    rows: dict[tuple[str, str, str], dict[str, str]] = {}
    for row in rows_of(table):
        options = DASH if pd.isna(row.options) else str(int(row.options))
        case = (network_label(row.network), METHODS[row.method].label, options)
        rows.setdefault(case, {})[_way(row)] = number(row.seconds)
    shown = pd.DataFrame(
        [{**dict(zip(("network", "method", "K"), case, strict=True)), **ways} for case, ways in rows.items()]
    ).fillna(DASH)
    devices, versions = (", ".join(sorted(set(table[name]))) for name in ("device", "torch"))
    commits = ", ".join(sorted({commit[:7] for commit in table["commit"]}))
    return (
        "Seconds per epoch and run, evaluation of validation and test images included.\n\n"
        f"{shown.to_markdown(index=False, disable_numparse=True)}\n\n"
        f"Measured on {devices}; torch {versions}; commit {commits}."
    )


def _way(row: Any) -> str:
    if not row.cuda_graph:
        return "single operations"
    return "as a graph" if row.runs_together == 1 else f"{row.runs_together} seeds together, as graphs"
