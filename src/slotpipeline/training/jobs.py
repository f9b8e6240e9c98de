"""Training jobs: one, or several one after the other in one process."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from slotmachines.errors import UserError, one_line
from slotmachines.files import replacing
from slotpipeline.planning.training_job import TrainingJob
from slotpipeline.runs.run_files import RunFiles, failure_note
from slotpipeline.runs.run_record import RunRecord
from slotpipeline.training.device import graph_by_default
from slotpipeline.training.placement import device_of_job, jobs_on
from slotpipeline.training.result import finished_result
from slotpipeline.training.train import train_run
from slotpipeline.training.train_group import groups, train_group


def train_job(job: TrainingJob) -> RunRecord:
    """Train a run, unless it is finished already with the weights that it is to keep.

    Raises:
        UserError, Stopped: as `train_run` and `finished_result`.
    """
    if (finished := _finished(job)) is not None:
        return finished
    if job.engine.is_together:
        return _group_of_one(job)
    with device_of_job(job.device) as device:
        return train_run(
            job.run,
            data_folder=job.data_folder,
            folder=job.folder,
            checkpoint=job.checkpoint,
            start_weights=job.start_weights,
            keep_epochs=job.keep_epochs,
            device=device,
            threads=job.threads,
            cuda_graph=_is_graph(job, device),
            log_dir=job.log_dir,
            engine=job.engine,
            jobs=_sharing(job, device),
        )


def train_all(jobs: Iterable[TrainingJob], report: Callable[[TrainingJob, RunRecord], None]) -> list[str]:
    """Train runs one after the other in this process: each to the files, and the bits, that it has when trained alone.

    Neighbours with the engines `stacked` or `branches` are trained at the same time (`train_group`); those of a stack
    may differ in rounding.
    A run that fails does not keep the others from being trained; why is noted beside its checkpoint until it is trained
    again. A signal stops the run under way as it stops
    `train_run`, and no further one begins; the same call later goes on from there.

    Args:
        report: is called with each run that is finished.

    Returns:
        A line for each run that failed, which says why.

    Raises:
        Stopped: by a signal.
    """
    failed = []

    def fail(job: TrainingJob, error: Exception) -> None:
        if not isinstance(error, UserError):  # such as too little memory on a GPU: the next run may be smaller
            traceback.print_exception(error, file=sys.stderr)
        why = str(error) if isinstance(error, UserError) else one_line(error)
        failed.append(f"{job.folder}: {why}")
        with suppress(UserError), replacing(failure_note(job.checkpoint)) as temporary:  # or the log alone says it
            temporary.write_text(why, encoding="utf-8")

    for group in groups(list(jobs)):
        for job in group:
            with suppress(OSError):
                failure_note(job.checkpoint).unlink()
        try:
            if group[0].engine.is_together:
                _train_group(group, report, fail)
            else:
                report(group[0], train_job(group[0]))
        except Exception as error:
            for job in group:
                fail(job, error)
    return failed


def _train_group(
    group: Sequence[TrainingJob],
    report: Callable[[TrainingJob, RunRecord], None],
    fail: Callable[[TrainingJob, Exception], None],
) -> None:
    left = []
    for job in group:
        try:
            record = _finished(job)
            if record is None:
                left.append(job)
            else:
                report(job, record)
        except UserError as error:
            fail(job, error)

    def tell(job: TrainingJob, result: RunRecord | Exception) -> None:
        left.remove(job)
        if isinstance(result, RunRecord):
            report(job, result)
        else:
            fail(job, result)

    if not left:
        return
    first = left[0]
    with device_of_job(first.device) as device:
        graph, sharing = _is_graph(first, device), _sharing(first, device)
        try:
            train_group(list(left), tell, device=device, cuda_graph=graph, sharing=sharing)
        except Exception as error:  # of all that are left
            for job in list(left):
                fail(job, error)


def _group_of_one(job: TrainingJob) -> RunRecord:
    results: list[RunRecord | Exception] = []
    with device_of_job(job.device) as device:
        train_group(
            [job], lambda _, result: results.append(result), device=device, cuda_graph=_is_graph(job, device),
            sharing=_sharing(job, device),
        )  # fmt: skip
    (result,) = results
    if isinstance(result, Exception):
        raise result
    return result


def _finished(job: TrainingJob) -> RunRecord | None:
    record = finished_result(job.run, RunFiles(job.folder), job.keep_epochs)
    if record is not None:
        # A process that was killed between its result and the removal of its checkpoint leaves the latter.
        job.checkpoint.unlink(missing_ok=True)
    return record


def _is_graph(job: TrainingJob, device: str) -> bool:
    return graph_by_default(device, job.run.method) if job.cuda_graph is None else job.cuda_graph


def _sharing(job: TrainingJob, device: str) -> Callable[[], int | None]:
    """How many jobs share the GPU. A job that named its device has not taken it: nobody can count it, or others."""
    return (lambda: jobs_on(device)) if job.device == "auto" else lambda: None
