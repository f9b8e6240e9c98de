"""TensorBoard's scalars are the run's curve, go on where a run was stopped, and change nothing about the run."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import pytest

from conftest import files_of, tiny_run
from slotmachines import UserError
from slotpipeline.training.scalars import tag
from test_resume import assert_equal_results, interrupt


def logged(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Tag -> steps and values, as TensorBoard shows them."""
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return {one: [(event.step, event.value) for event in events.Scalars(one)] for one in events.Tags()["scalars"]}


def assert_is_the_curve(folder: Path, curve: Path) -> None:
    with curve.open() as file:
        rows = list(csv.DictReader(file))
    found = logged(folder)
    assert {"accuracy/val", "accuracy/test", "loss/train", "learning_rate", "changed_share"} <= set(found)
    for name in rows[0]:
        values = [(int(row["epoch"]), float(row[name])) for row in rows if row[name]]
        if name != "epoch" and values:
            assert [step for step, _ in found[tag(name)]] == [step for step, _ in values]
            assert [value for _, value in found[tag(name)]] == pytest.approx([value for _, value in values], rel=1e-4)


def test_scalars_are_the_curve_and_change_no_result(train, tmp_path) -> None:
    pytest.importorskip("tensorboard")
    run = tiny_run()
    train(run, "plain")
    train(run, "logged", log_dir=tmp_path / "logs")
    assert_equal_results(tmp_path / "plain", tmp_path / "logged")
    assert_is_the_curve(tmp_path / "logs" / run.folder, tmp_path / "logged/curve.csv")


@pytest.mark.parametrize("before", [True, False], ids=["logged before", "not logged before"])
def test_a_resumed_run_goes_on_in_the_same_curves(train, tmp_path, monkeypatch, before) -> None:
    pytest.importorskip("tensorboard")
    run, logs = tiny_run(), tmp_path / "logs"
    interrupt(monkeypatch, train, run, "run", 3, **({"log_dir": logs} if before else {}))
    train(run, "run", log_dir=logs)
    assert_is_the_curve(logs / run.folder, tmp_path / "run/curve.csv")


def test_a_run_that_begins_anew_replaces_its_curves(train, tmp_path) -> None:
    """Such as one that was killed before its first checkpoint."""
    pytest.importorskip("tensorboard")
    run, logs = tiny_run(), tmp_path / "logs"
    train(run, "killed", log_dir=logs)
    train(run, "again", log_dir=logs)
    assert_is_the_curve(logs / run.folder, tmp_path / "again/curve.csv")


def test_without_tensorboard_nothing_is_written(train, tmp_path, monkeypatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "tensorboard"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(UserError, match=r"pip install \"\.\[tensorboard\]\""):
        train(tiny_run(), "run", log_dir=tmp_path / "logs")
    assert files_of(tmp_path) == set()
    train(tiny_run(epochs=1, schedule_epochs=[]), "run")


def test_a_folder_that_cannot_be_written(train, tmp_path) -> None:
    pytest.importorskip("tensorboard")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write to"):
        train(tiny_run(), "run", log_dir=tmp_path / "file")
    assert files_of(tmp_path) == {"file"}
