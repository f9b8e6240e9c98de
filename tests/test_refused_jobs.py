"""Jobs that SLURM refuses, with an executor and a scheduler of which only what is used is there."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from slotpipeline.experiments.grid import grid_runs
from slotpipeline.runs.to_do import failure_lines, failures
from synthetic import make_config
from workflow.support.refused_jobs import Refusals, forget_not_submitted, note_not_submitted, reason_of

ACCOUNT = "Invalid account or account/partition combination specified"
MESSAGE = (
    f"SLURM sbatch failed. The error message was 'sbatch: error: Batch job submission failed: {ACCOUNT}'.\n"
    "    sbatch call:\n        sbatch --parsable --wrap=...\n"
)


class Cluster:
    """Executor and scheduler in one, of which `answers` are the messages about jobs; a job without one is accepted."""

    def __init__(self, answers: dict[str, str] | None = None, every: str | None = None) -> None:
        self.logger = logging.Logger("executor")
        self.answers, self.every = answers or {}, every
        self.sent: list[str] = []
        self.printed: list[str] = []
        self.failed: list[Any] = []
        self.notes: dict[str, str] = {}
        self.keepgoing = True
        Refusals(self, self, lambda job, why: self.notes.update({job.name: why}))

    def run_job_pre(self, job: Any) -> None:
        pass

    def run_jobs(self, jobs: list[Any]) -> None:
        for job in jobs:
            self.run_job(job)

    def run_job(self, job: Any) -> None:
        self.sent.append(job.name)
        message = self.answers.get(job.name, self.every)
        if message is None:
            self.report_job_submission(SimpleNamespace(job=job, external_jobid="7"))
        else:
            self.report_job_error(SimpleNamespace(job=job, external_jobid=None), message)

    def report_job_submission(self, info: Any) -> None:
        pass

    def report_job_error(self, info: Any, msg: str | None = None) -> None:
        self.printed.append(info.job.name)

    def error_callback(self, job: Any) -> None:
        self.failed.append(job)


def jobs(*names: str) -> list[Any]:
    return [SimpleNamespace(name=name, attempt=1, restart_times=3) for name in names]


def test_if_the_first_job_is_refused_no_other_is_sent_and_one_line_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    cluster = Cluster(every=MESSAGE)
    cluster.run_jobs(jobs("a", "b", "c"))
    assert cluster.sent == ["a"] and cluster.keepgoing is False and not cluster.printed
    assert [job.name for job in cluster.failed] == list(cluster.notes) == ["a", "b", "c"]
    assert all(job.restart_times == job.attempt - 1 for job in cluster.failed)  # no retry is left
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and ACCOUNT in lines[0] and "slurm_account" in lines[0] and "sbatch" not in lines[0]


def test_a_job_that_is_refused_later_is_not_sent_again_and_the_others_go_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    cluster = Cluster({"b": MESSAGE, "c": MESSAGE})
    cluster.run_jobs(jobs("a", "b"))
    cluster.run_jobs(jobs("c", "d"))
    assert cluster.sent == ["a", "b", "c", "d"] and cluster.keepgoing
    assert [job.name for job in cluster.failed] == ["b", "c"]
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_controller_that_is_away_and_a_job_that_fails_at_work_are_left_to_snakemake() -> None:
    cluster = Cluster({"a": MESSAGE.replace(ACCOUNT, "Unable to contact slurm controller (connect failure)")})
    cluster.run_jobs(jobs("a", "b"))
    cluster.report_job_error(SimpleNamespace(job=jobs("b")[0], external_jobid="7"), "SLURM-job '7' failed")
    assert cluster.printed == ["a", "b"] and not cluster.failed and not cluster.notes and cluster.keepgoing


@pytest.mark.parametrize(
    "words",
    [
        "Failed to run sinfo for retrieval of cluster partitions: slurm_load_partitions: Unable to contact slurm "
        "controller (connect failure)",
        "sbatch: error: Batch job submission failed: Zero Bytes were transmitted or received",
        "sinfo: error: resolve_ctls_from_dns_srv: res_nsearch error: Unknown host",
        "sbatch: error: Batch job submission failed: Protocol authentication error",
    ],
)
def test_where_slurm_does_not_answer_the_advice_is_to_wait(capsys: pytest.CaptureFixture[str], words: str) -> None:
    cluster = Cluster(every=f"Job submission failed with exception: {words}\n")
    sent = jobs("a", "b")
    sent[1].attempt = 4  # the last one
    cluster.run_jobs(sent)
    assert cluster.printed == ["a", "b"] and cluster.keepgoing and not cluster.failed
    (line,) = capsys.readouterr().err.splitlines()
    assert "sinfo answers" in line and "slurm_account" not in line
    assert list(cluster.notes) == ["b"] and "does not answer" in cluster.notes["b"]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (MESSAGE, ACCOUNT),
        (
            "Job submission failed with exception: The given account x appears to be invalid. Accounts:\na, b",
            "The given account x appears to be invalid. Accounts: a, b",
        ),
        ("Part of failed array sbatch submission (tasks 1-9); see log for details.", "Part of failed array"),
    ],
)
def test_the_reason_is_what_slurm_said(message: str, reason: str) -> None:
    assert reason_of(message).startswith(reason)


def test_runs_that_were_not_submitted_count_as_failed_until_the_next_call(tmp_path: Path) -> None:
    runs = grid_runs(make_config(seeds=2, experiments=["k-sweep"]))
    note_not_submitted(runs[:3], tmp_path, f"SLURM refuses it: {ACCOUNT}")
    failed = failures(runs, tmp_path)
    assert len(failed) == 3
    assert failure_lines(failed) == [f"failed: {runs[0].folder} and 2 more: not submitted: SLURM refuses it: {ACCOUNT}"]
    forget_not_submitted(runs, tmp_path)
    assert not failures(runs, tmp_path)
