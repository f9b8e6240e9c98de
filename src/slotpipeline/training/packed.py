"""Several runs that differ in their seed, trained together in one process."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from slotmachines.errors import UserError
from slotpipeline.runs.run import Run, with_seed
from slotpipeline.stopping import Stopped, stoppable
from slotpipeline.training.device import prepare_device
from slotpipeline.training.train import (
    UnfinishedRun,
    load_data,
    origin_of,
    require_consistent,
    seconds_between_lines,
)

_MOST_ON_A_GPU = 16  # PyTorch has 32 streams per GPU, and gives the first ones again then


def train_runs(
    runs: Sequence[Run],
    *,
    data_folder: Path,
    folders: Sequence[Path],
    checkpoints: Sequence[Path],
    start_weights: Sequence[Path] | None = None,
    keep_epochs: tuple[int, ...] = (),
    device: str = "cpu",
    threads: int = 1,
    cuda_graph: bool = False,
    show_progress: bool = True,
) -> list[dict[str, Any] | UserError]:
    """Train each run as `train_run` does, to its own files and checkpoint, one step of each in turn.

    On a GPU each run has a stream of its own, so that the GPU works on several steps at a time; a small network leaves
    most of it idle. On a processor they only alternate. Each run draws its own random numbers, so that its result is
    that of the run alone: to the bit on a processor; on a GPU up to the order in which its libraries add up.

    The seconds of a run are those of its turns; on a GPU those that the host spent on them. Either way those of all
    runs add up to the time that passed.

    Args:
        runs: what to train; equal but for their seeds.
        folders, checkpoints, start_weights: of each run, as for `train_run`.

    Returns:
        Of each run the contents of metrics.json, or the error that ended it, such as a loss that is no longer finite;
        the others go on.

    Raises:
        UserError: as `train_run`, for what is known before the first step; or the runs differ in more than their
            seeds, share one, or are too many for a GPU.
        Stopped: by a signal, with a checkpoint of the last whole epoch of each run; one in its last epoch is finished.
    """
    weights: Sequence[Path | None] = start_weights or [None] * len(runs)
    _require_equal_but_for_seeds(runs)
    for run, start in zip(runs, weights, strict=True):
        require_consistent(run, start, keep_epochs)
    target = prepare_device(device, threads, cuda_graph)
    if target.type == "cuda" and len(runs) > _MOST_ON_A_GPU:
        raise UserError(f"a GPU can train at most {_MOST_ON_A_GPU} runs together, not {len(runs)}; give fewer seeds")
    data = load_data(runs[0], data_folder, target)
    origin = origin_of(target, cuda_graph, runs=len(runs))
    lanes = [Lane(data.train.labels.device) for _ in runs]
    unfinished = []
    for lane, run, folder, checkpoint, start in zip(lanes, runs, folders, checkpoints, weights, strict=True):
        with lane.turn():
            unfinished.append(
                UnfinishedRun(
                    run,
                    data,
                    folder=folder,
                    checkpoint=checkpoint,
                    start_weights=start,
                    keep_epochs=keep_epochs,
                    cuda_graph=cuda_graph,
                    origin=origin,
                )
            )
    total = sum(len(one.epochs_left) for one in unfinished)
    with tqdm(
        total=total, desc=f"{Path(runs[0].folder).parent}, {len(runs)} seeds", unit="epoch",
        disable=not show_progress, mininterval=seconds_between_lines(),
    ) as bar:  # fmt: skip
        try:
            with stoppable(lambda: all(one.is_saved for one in unfinished)) as signal_number:
                return _take_turns(unfinished, lanes, bar, signal_number)
        except Stopped as stopped:
            stopped.where = ", ".join(f"seed {one.run.seed} {one.progress}" for one in unfinished if one.epochs_left)
            raise


def _take_turns(
    unfinished: Sequence[UnfinishedRun], lanes: Sequence[Lane], bar: tqdm[Any], signal_number: Callable[[], int]
) -> list[dict[str, Any] | UserError]:
    results: dict[int, dict[str, Any] | UserError] = {}
    turns = {number: _turns(one, bar, signal_number) for number, one in enumerate(unfinished)}
    while turns:
        for number, turn in list(turns.items()):
            if signal_number() and unfinished[number].is_saved:
                del turns[number]
                continue
            begin = time.perf_counter()
            try:
                with lanes[number].turn():
                    next(turn)
                unfinished[number].state["seconds"] += time.perf_counter() - begin
            except StopIteration as end:
                results[number] = end.value
                del turns[number]
            except UserError as error:
                results[number] = error
                del turns[number]
    if len(results) < len(unfinished):
        raise Stopped(signal_number())
    return [results[number] for number in range(len(unfinished))]


def _turns(
    unfinished: UnfinishedRun, bar: tqdm[Any], signal_number: Callable[[], int]
) -> Generator[None, None, dict[str, Any]]:
    for epoch in unfinished.epochs_left:
        unfinished.record((yield from unfinished.trainer.turns(epoch)))
        yield  # so that the seconds of this epoch are complete
        bar.update()
        unfinished.save_sometimes(at_once=signal_number() > 0)
    return unfinished.finish()


class Lane:
    """What each of several runs has to itself: random numbers and, on a GPU, a stream.

    On a GPU the generator changes hands in the way that graphs allow for: each graph goes on with the random numbers
    of the run that captured it, and graphs that run at the same time do not write to the same state.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        if device.type == "cuda":
            self._generator = torch.Generator(device)
            self._stream = torch.cuda.Stream(device)
            self._stream.wait_stream(torch.cuda.current_stream(device))  # which loads the data
        else:
            self._state = torch.get_rng_state()

    @contextmanager
    def turn(self) -> Iterator[None]:
        if self._device.type != "cuda":
            torch.set_rng_state(self._state)
            try:
                yield
            finally:
                self._state = torch.get_rng_state()
            return
        default = torch.cuda.default_generators[self._device.index]
        others = default.graphsafe_get_state()
        default.graphsafe_set_state(self._generator)
        try:
            with torch.cuda.stream(self._stream):
                yield
        finally:
            default.graphsafe_set_state(others)


def _require_equal_but_for_seeds(runs: Sequence[Run]) -> None:
    seeds = [run.seed for run in runs]
    if twice := [seed for seed in seeds if seeds.count(seed) > 1]:
        raise UserError(f"seed {twice[0]} is given twice; give each seed once")
    if any(with_seed(run, 0) != with_seed(runs[0], 0) for run in runs):
        raise UserError("runs that are trained together differ in their seeds alone; train the others by themselves")
