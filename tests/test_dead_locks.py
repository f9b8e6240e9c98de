"""Locks of Snakemake: those of a dead process of this host are removed, all others stay."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from slotmachines.errors import UserError
from workflow.support.dead_locks import Owner, take_over_locks, this_process


@pytest.fixture
def locks(tmp_path: Path) -> Path:
    folder = tmp_path / "locks"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def dead() -> Owner:
    """A process of this host that has ended."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    owner = replace(this_process(), process=process.pid, started=psutil.Process(process.pid).create_time())
    assert not owner.is_dead
    process.communicate()
    assert owner.is_dead
    return owner


def test_locks_of_a_dead_process_are_removed_with_its_note(locks: Path, dead: Owner) -> None:
    left = take_over_locks(locks.parent, dead)
    note = take_over_locks(locks.parent, this_process())
    assert not locks.exists() and not left.exists() and note.exists()


def test_a_later_process_with_the_same_number_is_another_one(locks: Path) -> None:
    here = this_process()
    take_over_locks(locks.parent, replace(here, started=here.started - 3600))
    take_over_locks(locks.parent, here)
    assert not locks.exists()


@pytest.mark.parametrize("case", ["alive", "other host", "alive beside a dead one", "unknown", "half a note"])
def test_all_other_locks_stay(locks: Path, dead: Owner, case: str) -> None:
    folder, here = locks.parent, this_process()
    parent = replace(here, process=os.getppid(), started=psutil.Process(os.getppid()).create_time())
    if case == "alive beside a dead one":
        take_over_locks(folder, dead)
    if case.startswith("alive"):
        take_over_locks(folder, parent)
    if case == "other host":
        take_over_locks(folder, replace(dead, host="elsewhere"))
    if case == "half a note":
        take_over_locks(folder, dead).write_text('{"host": ')
    locks.mkdir(exist_ok=True)
    take_over_locks(folder, here)
    assert locks.exists()


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / ".snakemake").write_text("")
    with pytest.raises(UserError, match="cannot write to"):
        take_over_locks(tmp_path / ".snakemake", this_process())
