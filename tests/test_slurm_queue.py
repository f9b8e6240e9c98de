"""What SLURM says of its settings and its queue, here by programs that print what its clients print."""

from __future__ import annotations

from pathlib import Path

import pytest

from slotmachines.errors import UserError
from workflow.support.refused_jobs import require_controller
from workflow.support.slurm_queue import jobs_that_never_start, require_status


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Let a client of SLURM print a text."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    def call(client: str, text: str, to: str = "") -> None:
        (tmp_path / client).write_text(f"#!/bin/sh\ncat {to} <<'END'\n{text}\nEND\n")
        (tmp_path / client).chmod(0o755)

    return call


def settings(accounting: str, age: int) -> str:
    return f"Configuration data as of now\nAccountingStorageType   = {accounting}\nMinJobAge   = {age} sec\n"


@pytest.mark.parametrize("command", ["sacct", "squeue"])
def test_with_accounting_both_ways_are_right(say, command: str) -> None:
    say("scontrol", settings("accounting_storage/slurmdbd", 30))
    require_status(command, 40)


@pytest.mark.parametrize("accounting", ["accounting_storage/none", "(null)"])
def test_without_accounting_only_the_queue_can_tell(say, accounting: str) -> None:
    say("scontrol", settings(accounting, 300))
    require_status("squeue", 40)
    with pytest.raises(UserError, match="--slurm-status-command squeue"):
        require_status("sacct", 40)


def test_without_accounting_jobs_must_stay_in_the_queue_for_a_while(say) -> None:
    say("scontrol", settings("(null)", 60))
    with pytest.raises(UserError, match="--slurm-init-seconds-before-status-checks 20"):
        require_status("squeue", 40)
    require_status("squeue", 20)


@pytest.mark.parametrize(
    "words",
    [
        "slurm_load_ctl_conf error: Unable to contact slurm controller (connect failure)",
        "slurm_load_partitions: Socket timed out on send/recv operation",
        "scontrol: error: Protocol authentication error",
        "scontrol: error: resolve_ctls_from_dns_srv: res_nsearch error: Unknown host",
    ],
)
def test_where_the_controller_cannot_be_reached_nothing_begins(say, words: str) -> None:
    say("scontrol", settings("(null)", 300))
    require_controller()
    say("scontrol", f"{words}\nEND\nexit 1\ncat <<'END'", "1>&2")
    with pytest.raises(UserError, match=r"SLURM does not answer: .*sinfo"):
        require_controller()


def test_without_the_clients_of_slurm_it_is_given_a_try(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    require_controller()
    require_status("sacct", 40)
    assert jobs_that_never_start(tmp_path) == {}


def test_of_the_jobs_of_the_project_those_that_can_never_start_are_named(say) -> None:
    lines = [
        "11|PartitionTimeLimit|/a/project|rule_train_wildcards_lenet",
        "12|Resources|/a/project|rule_train",
        "13|Priority|/a/project|rule_train",
        "14|QOSMaxWallDurationPerJobLimit|/a/project|rule_train",
        "15|PartitionTimeLimit|/a/elsewhere|other",
        "16|launch failed requeued held|/a/project|a|b",
    ]
    say("squeue", "\n".join(lines))
    found = jobs_that_never_start(Path("/a/project"))
    assert list(found) == ["11", "14", "16"]
    assert "lenet" in found["11"] and "PartitionTimeLimit" in found["11"] and "scancel 11" in found["11"]
