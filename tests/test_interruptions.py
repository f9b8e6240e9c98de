"""Killed or out of space at any moment: the same command goes on to the same result, and nothing is lost."""

import os
import random
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest

from conftest import files_of, tiny_run
from faults import Killed, no_space, read_only, watched
from slotmachines import UserError
from slotmachines.files import replacing, replacing_folder
from slotpipeline.data import fetch, load
from slotpipeline.reporting.table_files import write_table
from slotpipeline.results.collect import collect
from slotpipeline.results.read import read_results
from slotpipeline.runs.run_files import RunFiles
from slotpipeline.runs.run_record import ROW_COLUMNS, CurveRow
from slotpipeline.training import train as train_module
from slotpipeline.training.loop import Trainer
from slotpipeline.training.result import write_result
from synthetic import REFERENCE, make_config, write_grid
from test_resume import assert_equal_results

ANEW = ("mkdir", "open")
"""What takes space."""


def content(folder: Path) -> dict[str, bytes]:
    """The files below a folder, without those that are left of a killed process."""
    return {
        name: (folder / name).read_bytes()
        for name in files_of(folder)
        if not any(part.startswith(".") for part in Path(name).parts)
    }


@pytest.fixture
def often(monkeypatch):
    """A checkpoint after each epoch."""
    monkeypatch.setattr(train_module, "_SECONDS_BETWEEN_CHECKPOINTS", -1.0)


# Killed, and a full disk


@pytest.mark.parametrize("seed", range(3))
def test_a_run_that_is_killed_again_and_again(train, tmp_path, often, seed):
    with watched(tmp_path) as operations:
        train(tiny_run("probabilistic"), "whole", keep_epochs=(1, 4))
    moment, kills = random.Random(seed), 0
    for _ in range(8):
        try:
            with watched(tmp_path, moment.randint(1, len(operations))):
                train(tiny_run("probabilistic"), keep_epochs=(1, 4))
            break
        except Killed:
            kills += 1
            assert (
                "metrics.json" not in files_of(tmp_path / "run")
                or content(tmp_path / "run").keys() == content(tmp_path / "whole").keys()
            )
    else:
        train(tiny_run("probabilistic"), keep_epochs=(1, 4))
    assert kills > 0
    for name in files_of(tmp_path / "run") - files_of(tmp_path / "whole"):
        (tmp_path / "run" / name).unlink()  # hidden files of killed processes
    for left in (tmp_path / "run").glob(".*"):
        shutil.rmtree(left)
    assert_equal_results(tmp_path / "whole", tmp_path / "run")


@pytest.fixture
def change(tmp_path, train, digits_folder, request):
    """Something that changes files, and the folder in which it does so, where an earlier state of them lies."""
    folder = tmp_path / "place"
    if request.param == "result of a run":
        record = train(tiny_run(epochs=1), "place")
        row = CurveRow(**dict.fromkeys(ROW_COLUMNS, 1))
        kept = {"best": Trainer(*_network_and_data(digits_folder), seed=0).weights()}
        return folder, lambda: write_result(RunFiles(folder), replace(record, commit="later"), [row], kept)
    if request.param == "dataset":
        fetch("digits", folder)
        path = folder / "digits.safetensors"
        path.write_bytes(path.read_bytes()[:-1])
        return folder, lambda: fetch("digits", folder)
    if request.param == "collected runs":
        runs = [tiny_run(epochs=1), tiny_run("random", epochs=0)]
        train(runs[0], f"place/runs/{runs[0].folder}")
        collect(runs, [], folder)
        train(runs[1], f"place/runs/{runs[1].folder}")
        return folder, lambda: collect(runs, runs[:1], folder)
    write_grid(folder, make_config({"lenet": "mnist"}, experiments=["k-sweep"]))
    results = read_results(folder, REFERENCE)
    write_table(results, "k-sweep", folder)
    (folder / "k-sweep.md").write_text("old")
    return folder, lambda: write_table(results, "k-sweep", folder)


def _network_and_data(digits_folder):
    run = tiny_run(epochs=1)
    data = load("digits", digits_folder, (1, 28, 28), run.settings.validation)
    return train_module.starting_network(run, "cpu", None), run.settings, data


CHANGES = pytest.mark.parametrize("change", ["result of a run", "dataset", "collected runs", "table"], indirect=True)


@CHANGES
@pytest.mark.parametrize(("error", "ends", "only"), [(Killed, Killed, ()), (no_space, UserError, ANEW)])
def test_each_file_is_the_old_or_the_new_one_at_any_moment(change, tmp_path, error, ends, only):
    folder, make = change
    shutil.copytree(folder, tmp_path / "before")
    old = content(folder)
    with watched(folder, only=only) as operations:
        make()
    new = content(folder)
    assert new != old and len(operations) > 1
    for first in range(1, len(operations) + 1):
        shutil.rmtree(folder)
        shutil.copytree(tmp_path / "before", folder)
        with watched(folder, first, error, only), pytest.raises(ends) as ended:
            make()
        now = content(folder)
        if ends is UserError:
            assert "No space left on device" in str(ended.value) and "\n" not in str(ended.value)
            assert not list(folder.rglob(".*"))
        for name, text in now.items():
            assert text in (old.get(name), new.get(name)), name
        if "metrics.json" in now:
            assert now in (old, new)
        make()
        assert content(folder) == new


@pytest.mark.parametrize("first", [1, 3])
def test_a_full_disk_takes_no_earlier_result(train, tmp_path, first):
    train(tiny_run(epochs=1))
    before = content(tmp_path / "run")
    with watched(tmp_path / "run", first, no_space, ANEW), pytest.raises(UserError, match="No space left on device"):
        train(tiny_run(epochs=1))
    assert content(tmp_path / "run") == before


# A folder of results that may be read only


def test_a_folder_that_may_be_read_only_refuses_a_run_before_its_first_epoch(train, tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    monkeypatch.setattr(Trainer, "train_epoch", lambda *_: pytest.fail("trained"))
    with watched(tmp_path, 1, read_only), pytest.raises(UserError, match=r"Read-only file system; choose a folder"):
        train(tiny_run())
    assert content(tmp_path) == {}


@CHANGES
def test_a_folder_that_may_be_read_only_stays_as_it_is(change):
    folder, make = change
    before = content(folder)
    with watched(folder, 1, read_only), pytest.raises(UserError, match="Read-only file system"):
        make()
    assert content(folder) == before


# A power cut loses what is not on the disk yet


@CHANGES
def test_contents_are_on_the_disk_before_their_names_and_names_at_the_end(change):
    folder, make = change
    with watched(folder) as operations:
        make()
    renames = [number for number, (kind, _) in enumerate(operations) if kind == "rename"]
    assert renames
    for number in renames:
        source = operations[number][1]
        before = operations[:number]
        written = {path for kind, path in before if kind == "open" and Path(path).is_relative_to(source)}
        assert written
        for path in written:
            last_write = max(place for place, operation in enumerate(before) if operation == ("open", path))
            assert ("fsync", path) in before[last_write:]
        # The name, before any other: a run with metrics must have its weights.
        assert operations[number + 1] == ("fsync", str(Path(source).parent))


def test_what_a_killed_process_left_is_removed_after_a_day(tmp_path):
    for first in (3, 4):  # after the temporary file is made, and after something is written
        for write in (replacing, replacing_folder):
            with watched(tmp_path, first), pytest.raises(Killed), write(tmp_path / "result"):
                (tmp_path / "other").write_text("")
    (tmp_path / "other").unlink()
    left = list(tmp_path.iterdir())
    assert len(left) == 4
    with replacing(tmp_path / "result"):
        pass
    assert set(left) < set(tmp_path.iterdir())
    yesterday = time.time() - 25 * 3600
    for path in left:
        os.utime(path, (yesterday, yesterday))
    with replacing(tmp_path / "result"):
        pass
    assert list(tmp_path.iterdir()) == [tmp_path / "result"]
