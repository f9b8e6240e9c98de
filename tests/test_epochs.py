"""Seconds per epoch on a GPU: what is measured, the file it goes to, and the table made of it."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

from benchmarks.epoch_times import COLUMNS, all_cases, epochs_text, seconds_per_epoch
from conftest import tiny_run
from random_images import random_splits
from slotpipeline.analysis.text import DASH
from slotpipeline.training.loop import Trainer

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "run_epochs.py"
ROW = {
    "network": "conv2", "method": "greedy", "options": 8, "cuda_graph": True, "runs_together": 1, "seconds": 0.25,
    "device": "a GPU", "processor": "its host", "torch": "2.6", "commit": "0123456789",
}  # fmt: skip


def test_a_run_is_trained_for_two_epochs_and_the_time_is_that_of_the_second(monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[int] = []
    train_epoch = Trainer.train_epoch
    monkeypatch.setattr(Trainer, "train_epoch", lambda self, epoch: trained.append(epoch) or train_epoch(self, epoch))
    clock = iter([10.0, 16.0])
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    assert seconds_per_epoch(tiny_run(batch_size=8), random_splits(), cuda_graph=False) == 6
    assert trained == [1, 2]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("cuda_graph", [False, True])
def test_on_a_gpu(cuda_graph: bool) -> None:
    assert seconds_per_epoch(tiny_run(batch_size=8), random_splits(device="cuda"), cuda_graph=cuda_graph) > 0


def test_no_case_is_measured_twice() -> None:
    assert len(set(all_cases())) == len(all_cases())
    assert {graph for *_, graph in all_cases()} == {False, True}


def test_a_case_that_is_measured_again_replaces_itself_alone(tmp_path: Path) -> None:
    add, path = runpy.run_path(str(SCRIPT))["add"], tmp_path / "epochs.csv"
    learned = {**ROW, "method": "learned", "options": None}
    for row in (ROW, learned, {**ROW, "runs_together": 3}, {**ROW, "seconds": 0.5}, {**learned, "seconds": 0.75}):
        add(path, row)
    table = pd.read_csv(path)
    assert list(table.columns) == COLUMNS
    found = table[["method", "runs_together", "seconds"]]
    assert sorted(found.itertuples(index=False, name=None)) == [
        ("greedy", 1, 0.5), ("greedy", 3, 0.25), ("learned", 1, 0.75),
    ]  # fmt: skip


def test_the_table_has_a_row_per_case_and_a_column_per_way() -> None:
    rows = [
        ROW, {**ROW, "cuda_graph": False, "seconds": 1.5}, {**ROW, "runs_together": 3, "seconds": 0.2},
        {**ROW, "method": "learned", "options": None, "seconds": 0.22},
    ]  # fmt: skip
    lines = epochs_text(pd.DataFrame(rows)).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    by_case = [dict(zip(cells[0], row, strict=True)) for row in cells[1:]]
    slots, learned = by_case
    assert (slots["network"], slots["method"], slots["K"]) == ("Conv-2", "slot machine", "8")
    assert (slots["as a graph"], slots["single operations"]) == ("0.25", "1.50")
    assert slots["3 seeds together, as graphs"] == "0.20"
    assert (learned["method"], learned["K"], learned["as a graph"]) == ("learned weights", DASH, "0.22")
    assert learned["single operations"] == DASH
    assert lines[-1] == "Measured on a GPU; torch 2.6; commit 0123456."


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "epochs.csv"
    command = [sys.executable, "-m", "benchmarks.run_epochs", str(path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=SCRIPT.parents[1])
    assert ended.returncode == 2 and not path.exists()
    assert len(ended.stderr.splitlines()) == 1 and "there is no GPU to measure" in ended.stderr
