"""Runs that began and are no longer at work, and what files alone tell of them."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest
import torch

from slotpipeline.experiments.grid import grid_runs
from slotpipeline.reporting.progress import GridProgress, progress_of
from slotpipeline.reporting.run_progress import printed_progress
from slotpipeline.reporting.status import status_of
from slotpipeline.runs.run import Run
from slotpipeline.runs.run_files import checkpoint_of, failure_note
from slotpipeline.runs.run_record import CurveRow
from slotpipeline.runs.run_time import read_seconds
from slotpipeline.runs.saved_state import read_saved_state
from slotpipeline.stopping import Stopped
from slotpipeline.training.checkpoint import Progress, TrainerState, save_checkpoint
from synthetic import REFERENCE, make_config
from test_progress import write_log

CONFIG = make_config({"lenet": "mnist"}, seeds=2, experiments=["k-sweep"])
RUNS = grid_runs(CONFIG)
SECONDS, EPOCHS = REFERENCE.parent / "seconds_per_epoch.csv", REFERENCE.parents[1] / "results/benchmark/epochs.csv"
MEASURED = read_seconds(SECONDS)
NOW = time.time()


def seen(folder: Path, runs: list[Run] = RUNS) -> GridProgress:
    return progress_of(RUNS, runs, (), printed_progress(folder / "logs", NOW), folder, MEASURED, NOW)


def log_of(folder: Path, ago: float, *progress: tuple[Run, int], last_words: str = "") -> None:
    path = folder / f"logs/{progress[0][0].identity}.log"
    write_log(path, *progress)
    with path.open("a") as file:
        file.write(last_words)
    os.utime(path, (NOW - ago, NOW - ago))


def save(folder: Path, run: Run, epochs: int, ago: float, seconds: float = 2.0) -> Path:
    """A checkpoint as training writes it."""
    rows = [
        CurveRow(
            epoch=epoch,
            learning_rate=0.1,
            train_loss=0.1,
            train_accuracy=97.0,
            val_loss=0.1,
            val_accuracy=96.0,
            test_accuracy=95.0,
            changed_share=None,
            mean_magnitude=None,
            altered_share=None,
        )
        for epoch in range(1, epochs + 1)
    ]
    path, weights = checkpoint_of(run, folder), {"weight": torch.randn(1000, 100)}
    state = TrainerState({"weights": weights}, {"momentum": {0: torch.ones(3)}, "lr": 0.1}, 0)
    save_checkpoint(path, Progress(run.identity, "2026-11-28", seconds * epochs, rows, {"best": weights}), state)
    os.utime(path, (NOW - ago, NOW - ago))
    return path


def test_a_run_that_was_killed_is_stopped_or_hangs_and_says_where_it_goes_on(tmp_path: Path) -> None:
    log_of(tmp_path, 720, (RUNS[0], 12))
    save(tmp_path, RUNS[0], 11, 730)
    found = seen(tmp_path)
    (one,) = found.stopped
    assert (one.run, one.epoch, one.checkpoint_epoch, one.is_sure) == (RUNS[0].folder, 12, 11, False)
    assert one.silent_seconds == pytest.approx(720, abs=5)
    assert found.waiting == len(RUNS) - 1 and not found.running
    said = str(found)
    assert "1 stopped or hanging" in said and "silent for about 12 minutes" in said and "from epoch 11" in said


@pytest.mark.parametrize("seconds", [10, 720])
def test_a_run_whose_process_said_so_is_stopped_at_once(tmp_path: Path, seconds: float) -> None:
    log_of(tmp_path, seconds, (RUNS[0], 12), last_words=f"slotmachines: {Stopped(15, 'after epoch 14 of 100')}\n")
    save(tmp_path, RUNS[0], 14, seconds)
    (one,) = seen(tmp_path).stopped
    assert (one.is_sure, one.epoch, one.checkpoint_epoch) == (True, 14, 14)


def test_a_stopped_run_that_goes_on_is_running(tmp_path: Path) -> None:
    log_of(tmp_path, 500, (RUNS[0], 12), last_words=str(Stopped(15)))
    save(tmp_path, RUNS[0], 30, 20)
    (one,) = seen(tmp_path).running
    assert one.epoch == 30


def test_a_run_without_a_log_is_known_by_its_checkpoint(tmp_path: Path) -> None:
    save(tmp_path, RUNS[0], 7, 20)
    save(tmp_path, RUNS[1], 8, 900)
    found = seen(tmp_path)
    assert [(one.run, one.epoch, one.seconds_per_epoch, one.accuracy) for one in found.running] == [
        (RUNS[0].folder, 7, 2.0, 96.0)
    ]
    assert [(one.run, one.epoch) for one in found.stopped] == [(RUNS[1].folder, 8)]


def test_a_run_whose_epochs_are_long_may_be_silent_for_long(tmp_path: Path) -> None:
    save(tmp_path, RUNS[0], 7, 900, seconds=600.0)
    assert [one.run for one in seen(tmp_path).running] == [RUNS[0].folder]


def test_without_a_checkpoint_a_silent_run_starts_again_and_a_full_log_is_an_old_one(tmp_path: Path) -> None:
    log_of(tmp_path, 900, (RUNS[0], 1))
    log_of(tmp_path, 900, (RUNS[1], RUNS[1].settings.epochs))
    found = seen(tmp_path)
    assert [(one.run, one.has_checkpoint) for one in found.stopped] == [(RUNS[0].folder, False)]
    assert "epoch 0" in str(found) and found.waiting == len(RUNS) - 1


def test_a_run_that_failed_is_not_running_though_its_job_goes_on(tmp_path: Path) -> None:
    log_of(tmp_path, 5, (RUNS[0], 3), (RUNS[1], 4))
    note = failure_note(checkpoint_of(RUNS[0], tmp_path))
    note.parent.mkdir(parents=True)
    note.write_text("its loss is not finite")
    found = seen(tmp_path)
    assert list(found.failed) == [RUNS[0].folder] and [one.run for one in found.running] == [RUNS[1].folder]


def test_what_is_left_of_stopped_runs_counts_from_their_checkpoints(tmp_path: Path) -> None:
    log_of(tmp_path, 5, (RUNS[0], 5))
    before = seen(tmp_path, RUNS[:2]).seconds_left
    save(tmp_path, RUNS[1], RUNS[1].settings.epochs - 1, 900)
    after = seen(tmp_path, RUNS[:2]).seconds_left
    assert before is not None and after is not None and after < 0.7 * before


def test_a_damaged_checkpoint_is_no_obstacle(tmp_path: Path) -> None:
    path = save(tmp_path, RUNS[0], 7, 900)
    for content in (b"", b"nothing", path.read_bytes()[:-300]):
        path.write_bytes(content)
        os.utime(path, (NOW - 900, NOW - 900))
        (one,) = seen(tmp_path).stopped
        assert one.has_checkpoint and one.checkpoint_epoch is None and "cannot be read" in str(one)


def test_a_checkpoint_is_read_without_what_it_names(tmp_path: Path) -> None:
    path = tmp_path / "hostile.pt"
    torch.save({"curve": [{"val_accuracy": 1.0}], "seconds": 1.0, "more": Hostile()}, path)
    assert read_saved_state(path) is not None and not hasattr(sys, "was_called")


class Hostile:
    """What calls something when it is read."""

    def __reduce__(self) -> tuple[object, ...]:
        return (exec, ("import sys; sys.was_called = True",))


def test_the_status_says_how_many_runs_have_a_checkpoint(tmp_path: Path) -> None:
    save(tmp_path, RUNS[0], 7, 900)
    found = status_of(CONFIG, tmp_path, tmp_path, REFERENCE, SECONDS, EPOCHS)
    assert found.as_dict()["with_checkpoint"] == 1
    assert f"{len(RUNS)} to do (1 from a checkpoint)" in str(found)
