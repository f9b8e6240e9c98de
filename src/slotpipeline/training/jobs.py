"""Training jobs: one, or several one after the other in one process."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterable
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


def train_job(job: TrainingJob) -> RunRecord:
    """Train a run, unless it is finished already with the weights that it is to keep.

    Raises:
        UserError, Stopped: as `train_run` and `finished_result`.
    """
    finished = finished_result(job.run, RunFiles(job.folder), job.keep_epochs)
    if finished is not None:
        # A process that was killed between its result and the removal of its checkpoint leaves the latter.
        job.checkpoint.unlink(missing_ok=True)
        return finished
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
            cuda_graph=graph_by_default(device, job.run.method) if job.cuda_graph is None else job.cuda_graph,
            log_dir=job.log_dir,
            engine=job.engine,
            # A job that named its device has not taken it: others do not count it, and it cannot count them.
            jobs=(lambda: jobs_on(device)) if job.device == "auto" else lambda: None,
        )


def train_all(jobs: Iterable[TrainingJob], report: Callable[[TrainingJob, RunRecord], None]) -> list[str]:
    """Train runs one after the other in this process: each to the files, and the bits, that it has when trained alone.

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
    for job in jobs:
        note = failure_note(job.checkpoint)
        with suppress(OSError):
            note.unlink()
        try:
            report(job, train_job(job))
        except Exception as error:
            if not isinstance(error, UserError):  # such as too little memory on a GPU: the next run may be smaller
                traceback.print_exc(file=sys.stderr)
            why = str(error) if isinstance(error, UserError) else one_line(error)
            failed.append(f"{job.folder}: {why}")
            with suppress(UserError), replacing(note) as temporary:  # where the disk is full, the log alone says why
                temporary.write_text(why, encoding="utf-8")
    return failed
