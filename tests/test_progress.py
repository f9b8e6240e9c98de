"""How far runs are, read from what they print: here from logs as the progress bar writes them."""

from __future__ import annotations

import io
import os
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tqdm import tqdm
from typer.testing import CliRunner

from slotpipeline.cli import app
from slotpipeline.experiments.grid import grid_runs
from slotpipeline.reporting.progress import progress_of
from slotpipeline.reporting.run_progress import RunProgress, printed_progress
from slotpipeline.reporting.time_left import SecondsLeft, seconds_left
from slotpipeline.runs.config import read_config
from slotpipeline.runs.run import Run
from slotpipeline.runs.run_files import checkpoint_of, failure_note, run_files
from slotpipeline.runs.run_time import read_seconds, seconds_per_epoch
from synthetic import REFERENCE, make_config

RUNS = grid_runs(make_config({"lenet": "mnist"}, seeds=2, experiments=["k-sweep"]))
EPOCHS = RUNS[0].settings.epochs
MEASURED = read_seconds(REFERENCE.parent / "seconds_per_epoch.csv")


def likely(*known: Any) -> float:
    left = seconds_left(*known)
    assert left is not None
    return left.likely


def write_log(path: Path, *progress: tuple[Run, int]) -> None:
    """A log of a job whose runs have done so many epochs, each in two seconds."""
    text = io.StringIO()
    for run, epoch in progress:
        bar = tqdm(total=EPOCHS, desc=run.folder, unit="epoch", file=text)
        bar.start_t -= 2.0 * epoch
        bar.smoothing = 0
        bar.set_postfix(val="97.25%", loss="0.1", refresh=False)
        bar.n = epoch
        bar.refresh()
        bar.close()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.getvalue())


def test_what_runs_print_is_read_again(tmp_path: Path) -> None:
    write_log(tmp_path / "lenet-mnist/runs.log", (RUNS[0], EPOCHS), (RUNS[1], 10))
    found = printed_progress(tmp_path, time.time())
    assert set(found) == {RUNS[0].folder, RUNS[1].folder}
    one = found[RUNS[1].folder]
    assert (one.epoch, one.epochs, one.accuracy) == (10, EPOCHS, 97.25)
    assert one.seconds_per_epoch == pytest.approx(2, rel=0.05)


def test_the_time_left_follows_from_the_runs_under_way(tmp_path: Path) -> None:
    same = [RUNS[0], RUNS[1]]  # of one cell, so that both take as long
    assert [run.method for run in same] == ["greedy", "greedy"]
    write_log(tmp_path / "one.log", (same[0], EPOCHS // 2))
    running = printed_progress(tmp_path, time.time())
    assert likely(same, running, MEASURED) == pytest.approx(2 * (EPOCHS - EPOCHS // 2) + 2 * EPOCHS, rel=0.1)
    assert likely(same, running, {}) == pytest.approx(2 * (EPOCHS - EPOCHS // 2) + 2 * EPOCHS, rel=0.1)
    assert seconds_left(same, {}, MEASURED) is None


def test_each_run_counts_once_and_a_failed_one_says_why(tmp_path: Path) -> None:
    logs, results = tmp_path / "logs", tmp_path / "results"
    finished, running, failed, *waiting = RUNS
    run_files(finished, results).folder.mkdir(parents=True)
    run_files(finished, results).metrics.write_text("{}")
    write_log(logs / "a.log", (finished, EPOCHS), (running, 3))
    note = failure_note(checkpoint_of(failed, results))
    note.parent.mkdir(parents=True)
    note.write_text("the disk is full")
    now = time.time()
    said = str(progress_of(RUNS, RUNS[1:], (), printed_progress(logs, now), results, MEASURED, now)).splitlines()
    assert said[0] == f"1 of {len(RUNS)} finished, 1 running, {len(waiting)} waiting, 1 failed"
    assert f"{running.folder}: epoch 3 of {EPOCHS}, 97.25% on validation" in said[1]
    assert said[2].strip() == f"failed: {failed.folder}: the disk is full"
    assert said[3].startswith("ends in about ")


def test_the_command_ends_when_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = Path.cwd()
    monkeypatch.chdir(tmp_path)
    os.symlink(project / "config", tmp_path / "config")
    answer = CliRunner().invoke(app, ["watch", "config/smoke.yaml", "--once"])
    assert answer.exit_code == 0, answer.output
    assert answer.output.startswith("0 of 36 finished, 0 running, 36 waiting, 0 failed")


@pytest.mark.parametrize("side_by_side", [1, 2, 4])
def test_after_a_tenth_of_a_grid_the_end_is_told_within_a_fifth(side_by_side: int) -> None:
    runs = grid_runs(make_config({"lenet": "mnist"}, seeds=5, experiments=["k-sweep", "selection", "finetune"]))
    slower = 2.5  # than the machine that measured
    took = [
        0.0 if run.settings.epochs == run.start_epoch else slower * seconds_per_epoch(run, MEASURED) for run in runs
    ]
    free, spans = [0.0] * side_by_side, []
    for run, seconds in zip(runs, took, strict=True):
        start = min(free)
        end = start + seconds * (run.settings.epochs - run.start_epoch)
        free[free.index(start)] = end
        spans.append((start, end))
    whole = max(free)
    now = whole / 10
    planned = list(zip(runs, took, spans, strict=True))
    running = {
        run.folder: RunProgress(
            run.folder, run.start_epoch + int((now - start) / seconds), run.settings.epochs, seconds, None, 0.0
        )
        for run, seconds, (start, end) in planned
        if start <= now < end
    }
    done = [(run, seconds) for run, seconds, (_, end) in planned if end <= now]
    to_do = [run for run, _, (_, end) in planned if end > now]
    assert likely(to_do, running, MEASURED, done) == pytest.approx(whole - now, rel=0.2)


PROJECT = REFERENCE.parents[1]
Spans = list[tuple[Run, float, float]]


def recorded_sittings(grid: str) -> list[Spans]:
    """The recorded runs of a grid with their starts and ends, in seconds: those without a pause between them together.

    Sittings of less than ten minutes are left out.
    """
    planned = {run.identity: run for run in grid_runs(read_config(PROJECT / f"results/{grid}/config.yaml"))}
    rows = pd.read_csv(PROJECT / f"results/{grid}/runs.csv", dtype={"identity": str})
    rows = rows[rows["identity"].isin(list(planned)) & (rows["started"] < "2026-11-27T23")]  # those known on that day
    starts = [datetime.fromisoformat(text).timestamp() for text in rows["started"]]
    ordered = sorted(zip(starts, rows["wall_seconds"], rows["identity"], rows["device"], strict=True))
    sittings: list[Spans] = []
    last, before = -1e18, ""
    for start, seconds, identity, device in ordered:
        if start - last > 900 or device != before:
            sittings.append([])
        sittings[-1].append((planned[identity], start, start + seconds))
        last, before = max(last, start + seconds), device
    return [one for one in sittings if max(end for *_, end in one) - one[0][1] > 600]


def looked_at(sitting: Spans, share: float) -> tuple[SecondsLeft | None, float]:
    """What is said of the time left after a share of the time, as if these runs were the grid, and what it was."""
    first, last = sitting[0][1], max(end for *_, end in sitting)
    now = first + share * (last - first)
    running, done, to_do = {}, [], []
    for run, start, end in sitting:
        epochs = run.settings.epochs - run.start_epoch
        seconds = (end - start) / epochs if epochs else 0.0
        if end > now:
            to_do.append(run)
            if start <= now and seconds:
                epoch = run.start_epoch + int((now - start) / seconds)
                running[run.folder] = RunProgress(run.folder, epoch, run.settings.epochs, seconds, None, 0.0)
        elif seconds:
            done.append((run, seconds))
    return seconds_left(to_do, running, MEASURED, done), last - now


def test_recorded_runs_end_when_it_is_said_or_within_the_range_that_is_said() -> None:
    """On machines whose load changed several times over, which nobody can know beforehand."""
    sittings = [one for grid in ("mnist", "paper", "confirmation") for one in recorded_sittings(grid)]
    looks = [looked_at(one, share) for one in sittings for share in (0.1, 0.25, 0.5, 0.75)]
    told = [(left, actual) for left, actual in looks if left is not None]
    assert len(told) > 25
    inside = [left.least / 1.2 <= actual <= left.most * 1.2 for left, actual in told]
    assert sum(inside) / len(told) > 0.75
    sure = [abs(left.likely / actual - 1) <= 0.2 for left, actual in told if left.is_sure]
    assert sum(sure) / len(sure) > 0.75


def test_on_a_machine_that_stays_as_busy_recorded_runs_end_within_a_fifth_of_what_is_said() -> None:
    (steady,) = recorded_sittings("paper")
    for share in (0.1, 0.25, 0.5, 0.75):
        left, actual = looked_at(steady, share)
        assert left is not None and left.likely == pytest.approx(actual, rel=0.2)


def test_where_runs_of_one_kind_differ_a_range_is_said() -> None:
    runs = RUNS[:6]
    epoch = seconds_per_epoch(runs[0], MEASURED)
    running = {runs[1].folder: RunProgress(runs[1].folder, EPOCHS // 2, EPOCHS, epoch, None, 0.0)}
    even, uneven = (seconds_left(runs[1:], running, MEASURED, [(runs[0], times * epoch)]) for times in (1.05, 4))
    assert even is not None and even.is_sure and " to " not in str(even)
    assert uneven is not None and not uneven.is_sure and " to " in str(uneven)
    assert uneven.least < uneven.likely < uneven.most
