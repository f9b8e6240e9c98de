"""What SLURM refuses to take, such as jobs of a wrong account: said once, in one line, and not sent again.

Snakemake takes it for a job that failed: it sends each job again for each of its retries, and prints the call each
time. This uses what Snakemake's executors have in common (`run_job`, `report_job_error`, `report_job_submission`).
"""

from __future__ import annotations

import logging
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from slotmachines.errors import UserError, one_line
from slotmachines.files import replacing
from slotpipeline.runs.run import Run
from slotpipeline.runs.run_files import checkpoint_of, failure_note

_PREFIX = "not submitted: "
_SILENT = re.compile(
    r"timed out|unable to (contact|connect)|connection (refused|reset|failure)|temporarily|no route to host"
    r"|network is unreachable|name or service not known|name resolution|unknown host|not connected|zero bytes were"
    r"|(send|receive|shutdown) failure|authentication error|munge|backup controller",
    re.IGNORECASE,
)
"""What the clients of SLURM say if its controller is away, busy or cannot be reached: no job is at fault."""
_WAIT = "wait until sinfo answers and give the command again; the profile is not at fault"
_CITED = re.compile(r"The error message was '(.*?)'\.?(?:\n|$)", re.DOTALL)
_ADVICE = (
    "set slurm_partition and slurm_account under default-resources of the profile, or what jobs ask for under "
    "set-resources, and give the command again"
)


def require_controller() -> None:
    """Refuse to begin where the controller of SLURM cannot be reached; every job would fail.

    Raises:
        UserError: it cannot be reached, in the words of SLURM.
    """
    try:
        answer = subprocess.run(["scontrol", "show", "config"], capture_output=True, text=True, timeout=30, check=False)
    except subprocess.TimeoutExpired:
        raise UserError(f"SLURM does not answer: scontrol waits in vain; {_WAIT}") from None
    except OSError:  # no such program
        return
    if answer.returncode and _SILENT.search(answer.stderr):
        raise UserError(f"SLURM does not answer: {one_line(answer.stderr)}; {_WAIT}")


def reason_of(message: str) -> str:
    """What SLURM said, from the executor's message about a submission, which cites the whole call, too."""
    return one_line(re.sub(r"(sbatch|srun): (error: )?|Batch job submission failed: ", "", _cited(message))).rstrip(".")


def _cited(message: str) -> str:
    cited = _CITED.search(message)
    return cited[1] if cited else message.removeprefix("Job submission failed with exception: ")


class Refusals:
    """Watches what an executor submits.

    The first job is sent alone. If SLURM refuses it, nothing else is sent and the call ends. A job that is refused
    later fails without a retry; the others go on. While SLURM does not answer, Snakemake's retries stay.
    """

    def __init__(self, executor: Any, scheduler: Any, note: Callable[[Any, str], None]) -> None:
        """Take over some methods of an executor.

        Args:
            executor: Snakemake's, before its first job.
            scheduler: Snakemake's, which is told of jobs that failed.
            note: is called with each job that was not submitted, and why.
        """
        self._executor, self._scheduler, self._note = executor, scheduler, note
        self._lock = threading.Lock()
        self._said: set[str] = set()
        self._is_accepted = self._has_begun = False
        self._stopped = ""
        self._error, self._submission = executor.report_job_error, executor.report_job_submission
        self._run_job, self._run_jobs = executor.run_job, executor.run_jobs
        executor.report_job_error, executor.report_job_submission = self._report_error, self._report_submission
        executor.run_job, executor.run_jobs = self._run_one, self._run
        executor.logger.addFilter(_is_no_traceback)

    def _run(self, jobs: Iterable[Any]) -> None:
        """As `run_jobs`; the very first job is sent in this thread, so that the answer is there before the next."""
        jobs = list(jobs)
        if jobs and not self._has_begun:
            self._has_begun = True
            first, *jobs = jobs
            self._executor.run_job_pre(first)
            self._run_one(first)
        if self._stopped:
            for job in jobs:
                self._fail(job, self._stopped)
        elif jobs:
            self._run_jobs(jobs)

    def _run_one(self, job: Any) -> None:
        if self._stopped:
            self._fail(job, self._stopped)
        else:
            self._run_job(job)

    def _report_submission(self, info: Any, *more: Any, **named: Any) -> None:
        self._is_accepted = True
        self._submission(info, *more, **named)

    def _report_error(self, info: Any, msg: str | None = None, **more: Any) -> None:
        if info.external_jobid is not None:
            self._error(info, msg, **more)
            return
        reason = reason_of(msg or "")
        if _SILENT.search(_cited(msg or "")):
            why = f"SLURM does not answer: {reason}"
            self._say(f"{why}; Snakemake sends jobs again, up to `retries` times. If they fail, {_WAIT}", "no answer")
            if info.job.attempt > info.job.restart_times:  # the last one
                self._note(info.job, why)
            self._error(info, msg, **more)
            return
        with self._lock:
            if not self._is_accepted:
                self._stopped = reason
                self._scheduler.keepgoing = False
        what = "this job, the others go on" if self._is_accepted else "the first job, no other is sent"
        self._say(f"SLURM refuses {what}: {reason}; {_ADVICE}", reason)
        self._fail(info.job, reason)

    def _say(self, line: str, reason: str) -> None:
        """Print a line, unless one of that reason was printed."""
        with self._lock:
            is_new = reason not in self._said
            self._said.add(reason)
        if is_new:
            print(line, file=sys.stderr, flush=True)

    def _fail(self, job: Any, reason: str) -> None:
        self._note(job, f"SLURM refuses it: {reason}")
        job.attempt = job.restart_times + 1  # the last one
        self._scheduler.error_callback(job)


def _is_no_traceback(record: logging.LogRecord) -> bool:
    """False for what the executor logs of an exception, and then reports as an error, too."""
    return not record.getMessage().startswith("Exception in run_job for rule")


def note_not_submitted(runs: Iterable[Run], results: Path, why: str) -> None:
    """Note of runs that they were not submitted, where `slotmachines watch` and `status` look for what failed."""
    for run in runs:
        note = failure_note(checkpoint_of(run, results))
        with suppress(OSError, UserError):
            note.parent.mkdir(parents=True, exist_ok=True)
            with replacing(note) as temporary:
                temporary.write_text(f"{_PREFIX}{why}", encoding="utf-8")


def forget_not_submitted(runs: Iterable[Run], results: Path) -> None:
    """Remove such notes, as a new call submits the runs again."""
    for run in runs:
        note = failure_note(checkpoint_of(run, results))
        with suppress(OSError):
            if note.read_text(encoding="utf-8").startswith(_PREFIX):
                note.unlink()
