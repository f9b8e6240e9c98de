"""Several runs trained at the same time, as a stack or as branches of one graph: to the files that each has alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import groupby

from torch import Tensor
from tqdm import tqdm

from slotmachines.errors import UserError
from slotpipeline.planning.engine import require_fit
from slotpipeline.planning.training_job import TrainingJob
from slotpipeline.runs.recipe import load_recipe
from slotpipeline.runs.run_record import RunRecord
from slotpipeline.stopping import Stopped, stoppable
from slotpipeline.training.branched_step import BranchedStep
from slotpipeline.training.device import prepare_device
from slotpipeline.training.own_randomness import OwnRandomness
from slotpipeline.training.provenance import provenance
from slotpipeline.training.scalars import scalar_log
from slotpipeline.training.stacked_step import StackedStep
from slotpipeline.training.train import UnfinishedRun, load_data, require_consistent, seconds_between_lines

MOST = {"stacked": 16, "branches": 4}
"""Runs at the same time: branches are for networks that take more memory."""

Report = Callable[[TrainingJob, "RunRecord | Exception"], None]


def groups(jobs: Sequence[TrainingJob]) -> Iterator[list[TrainingJob]]:
    """Neighbouring jobs to train at the same time, as they differ in nothing but K, seed and files; others alone."""
    for key, group in groupby(jobs, _key):
        together = list(group)
        size = 1 if key is None else MOST["stacked" if together[0].engine.stacked else "branches"]
        yield from (together[first : first + size] for first in range(0, len(together), size))


def _key(job: TrainingJob) -> object:
    """What the jobs of a group agree in; None of a job that is trained alone."""
    if not job.engine.is_together or job.start_weights is not None:
        return None
    run = job.run
    settings = repr(run.settings)
    return (run.network, run.dataset, run.method, settings, job.data_folder, job.device, job.threads, job.cuda_graph,
            job.engine, job.log_dir)  # fmt: skip


def train_group(
    jobs: Sequence[TrainingJob],
    report: Report,
    *,
    device: str,
    cuda_graph: bool,
    sharing: Callable[[], int | None] = lambda: None,
    show_progress: bool = True,
) -> None:
    """Train runs of one of `groups`, as `train_run` does with each.

    A run that fails leaves the group, and the others go on. Runs that were stopped after different epochs are groups of
    their own, one after the other.

    Args:
        report: is called with each run that is finished, or with why it failed.
        device: of torch.
        sharing: how many jobs share the GPU at the moment, this one included; None where that is not known.

    Raises:
        Stopped: by a signal, with a checkpoint of the last whole epoch of each run.
        UserError: there is no such device.
    """
    first = jobs[0]
    target = prepare_device(device, first.threads, cuda_graph, first.engine)
    data = load_data(first.run, first.data_folder, target)
    ready: list[tuple[TrainingJob, UnfinishedRun]] = []
    for job in jobs:
        origin = {**provenance(target, load_recipe(job.run.recipe).files), "cuda_graph": cuda_graph}
        try:
            require_fit(job.run, job.engine)
            require_consistent(job.run, job.start_weights, job.keep_epochs)
            run = UnfinishedRun(
                job.run, data, folder=job.folder, checkpoint=job.checkpoint, start_weights=job.start_weights,
                keep_epochs=job.keep_epochs, cuda_graph=cuda_graph, engine=job.engine,
                origin={**origin, "engine": job.engine.words},
            )  # fmt: skip
            ready.append((job, run))
        except Exception as error:
            report(job, error)
    ready.sort(key=lambda pair: len(pair[1].progress.curve))  # stable: in the order of the plan
    for _, group in groupby(ready, lambda pair: len(pair[1].progress.curve)):
        _Group(list(group), report, cuda_graph).train(sharing, show_progress)


class _Group:
    """Runs that have come equally far."""

    def __init__(
        self, members: list[tuple[TrainingJob, UnfinishedRun]], report: Report, cuda_graph: bool
    ) -> None:  # fmt: skip
        self._members, self._report, self._cuda_graph = members, report, cuda_graph
        device = members[0][1].trainer.data.train.labels.device
        self._randomness = {id(one): OwnRandomness(device) for _, one in members}

    def train(self, sharing: Callable[[], int | None], show_progress: bool) -> None:
        members = self._members
        run = members[0][1].run
        with ExitStack() as stack:
            logs = {
                id(one): stack.enter_context(scalar_log(job.log_dir, one.run.folder, one.progress.curve))
                for job, one in members
            }
            number = stack.enter_context(stoppable(lambda: all(one.is_saved for _, one in self._members)))
            try:
                self._train_epochs(logs, number, sharing, show_progress, f"{len(members)} runs like {run.folder}")
                for job, one in self._members:
                    self._report(job, one.finish())
            except Stopped as stopped:
                stopped.where = self._members[0][1].saved_so_far if self._members else ""
                raise

    def _train_epochs(
        self,
        logs: dict[int, Callable[..., None]],
        signal_number: Callable[[], int],
        sharing: Callable[[], int | None],
        show_progress: bool,
        title: str,
    ) -> None:
        epochs = self._members[0][1].epochs_left
        bar = tqdm(
            epochs, initial=epochs.start - 1, total=epochs.stop - 1, desc=title, unit="epoch",
            disable=not show_progress, mininterval=seconds_between_lines(),
        )  # fmt: skip
        step: StackedStep | BranchedStep | None = None
        with bar:
            for epoch in bar:
                begin = time.perf_counter()
                step = step or self._step()
                rate = self._train_epoch(step, epoch)
                left = []
                for job, one in self._members:
                    try:
                        with self._randomness[id(one)].in_use():
                            row = one.trainer.finish_epoch(epoch, rate)
                        one.record(row)
                        logs[id(one)](row)
                        left.append((job, one))
                    except UserError as error:
                        self._report(job, error)
                if len(left) < len(self._members):
                    step, self._members = None, left
                if not left:
                    return
                seconds, jobs = time.perf_counter() - begin, sharing()
                for _, one in left:
                    one.progress.spend(seconds, jobs and jobs * len(left))
                    one.save_sometimes(at_once=signal_number() > 0)
                if signal_number() and all(one.is_saved for _, one in left):
                    raise Stopped(signal_number())

    def _step(self) -> StackedStep | BranchedStep:
        trainers = [one.trainer for _, one in self._members]
        if self._members[0][0].engine.stacked:
            return StackedStep(trainers, cuda_graph=self._cuda_graph)
        randomness = [self._randomness[id(one)] for _, one in self._members]
        return BranchedStep(trainers, randomness, cuda_graph=self._cuda_graph)

    def _train_epoch(self, step: StackedStep | BranchedStep, epoch: int) -> float:
        rate = 0.0
        for together in zip(*(self._batches(one, epoch) for _, one in self._members), strict=True):
            rate = together[0][1]
            step([indices for indices, _ in together], rate)
        return rate

    def _batches(self, one: UnfinishedRun, epoch: int) -> Iterator[tuple[Tensor, float]]:
        batches = one.trainer.batches(epoch)
        with self._randomness[id(one)].in_use():  # an epoch begins with its seed
            first = next(batches)
        yield first
        yield from batches
