"""Train one run from its first epoch, or from where it stopped, to its files."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from slotmachines.errors import UserError
from slotmachines.files import require_writable
from slotmachines.networks.names import find_network
from slotmachines.slots.philox import key_of
from slotpipeline.data import Splits, augment, load
from slotpipeline.planning.engine import DEFAULT_ENGINE, Engine, require_fit
from slotpipeline.runs.recipe import load_recipe
from slotpipeline.runs.run import Run
from slotpipeline.runs.run_files import BEST, RunFiles, epoch_name
from slotpipeline.runs.run_record import CurveRow, RunRecord
from slotpipeline.stopping import Stopped, stoppable
from slotpipeline.training.checkpoint import (
    START_AGAIN,
    Progress,
    TrainerState,
    load_checkpoint,
    require_weights_fit,
    save_checkpoint,
    unfitting,
)
from slotpipeline.training.device import prepare_device
from slotpipeline.training.loop import Trainer
from slotpipeline.training.provenance import provenance
from slotpipeline.training.result import last_round, record_of, write_result
from slotpipeline.training.scalars import scalar_log
from slotpipeline.training.start import starting_network

_SECONDS_BETWEEN_CHECKPOINTS = 30.0


def train_run(
    run: Run,
    *,
    data_folder: Path,
    folder: Path,
    checkpoint: Path,
    start_weights: Path | None = None,
    keep_epochs: tuple[int, ...] = (),
    device: str = "cpu",
    threads: int = 1,
    cuda_graph: bool = False,
    engine: Engine = DEFAULT_ENGINE,
    jobs: Callable[[], int | None] = lambda: None,
    show_progress: bool = True,
    log_dir: Path | None = None,
) -> RunRecord:
    """Train, and write metrics.json, curve.csv and weights/ (best.safetensors, epoch-N.safetensors) into `folder`.

    If `checkpoint` exists, training goes on from it, to the same result as without interruption; it is written
    about every half minute, and when SIGTERM or SIGINT ends the run, and removed at the end. If the parts of a
    resumed run were trained by different code or on different machines, metrics.json names all of them
    (`provenance.together`).

    A GPU rounds the factors of products to TF32, in the matrix products and convolutions that metrics.json names.

    Args:
        run: what to train.
        data_folder: where `slotmachines fetch` put the dataset.
        folder: of the run's files; they appear all at once, at the end.
        checkpoint: file for the state of the unfinished run.
        start_weights: of a finetuned network, the selected weights that it starts from.
        keep_epochs: epochs whose selected weights are kept.
        device: of torch, such as "cpu" or "cuda:1".
        threads: number of processor threads; part of what makes a result repeatable to the bit.
        cuda_graph: replay each step of training as one CUDA graph.
        log_dir: folder of TensorBoard's scalars, which get a folder per run in it; no scalars without it.
        engine: how a step is computed.
        jobs: how many jobs share the GPU at the moment, this one included; None where that is not known.

    Raises:
        UserError: unknown names, missing or damaged data, weights or checkpoint, labels or weights that do not fit the
            run, a device that is missing, a folder that cannot be written, or a loss that is no longer finite.
        Stopped: by a signal, with a checkpoint of the last whole epoch. A run in its last epoch is finished instead.
    """
    require_consistent(run, start_weights, keep_epochs)
    require_fit(run, engine)
    target = prepare_device(device, threads, cuda_graph, engine)
    unfinished = UnfinishedRun(
        run,
        load_data(run, data_folder, target),
        folder=folder,
        checkpoint=checkpoint,
        start_weights=start_weights,
        keep_epochs=keep_epochs,
        cuda_graph=cuda_graph,
        engine=engine,
        # Asked now, as others may change the source while the run trains.
        origin={**provenance(target, load_recipe(run.recipe).files), "cuda_graph": cuda_graph, "engine": engine.words},
    )
    try:
        with (
            scalar_log(log_dir, run.folder, unfinished.progress.curve) as log,
            stoppable(lambda: unfinished.is_saved) as signal_number,
        ):
            _train_epochs(unfinished, signal_number, show_progress, jobs, log)
            return unfinished.finish()
    except Stopped as stopped:
        stopped.where = unfinished.saved_so_far
        raise


def _train_epochs(
    unfinished: UnfinishedRun,
    signal_number: Callable[[], int],
    show_progress: bool,
    jobs: Callable[[], int | None],
    log: Callable[[CurveRow], None],
) -> None:
    """Train the epochs that are left; `jobs`: see `train_run`; `log` takes each row of the curve."""
    run, left = unfinished.run, unfinished.epochs_left
    with tqdm(
        left, initial=left.start - 1, total=run.settings.epochs,
        desc=run.folder, unit="epoch", disable=not show_progress, mininterval=seconds_between_lines(),
    ) as bar:  # fmt: skip
        for epoch in bar:
            begin = time.perf_counter()
            row = unfinished.trainer.train_epoch(epoch)
            unfinished.record(row)
            log(row)
            unfinished.progress.spend(time.perf_counter() - begin, jobs())
            bar.set_postfix(val=f"{row.val_accuracy:.2f}%", loss=f"{row.train_loss:.4f}", refresh=False)
            unfinished.save_sometimes(at_once=signal_number() > 0)
            if signal_number() and unfinished.is_saved:
                raise Stopped(signal_number())


class UnfinishedRun:
    """A run from its first epoch, or from its checkpoint, to its files.

    Attributes:
        trainer: trains the network.
        progress: how far the run has come.
    """

    def __init__(
        self,
        run: Run,
        data: Splits,
        *,
        folder: Path,
        checkpoint: Path,
        start_weights: Path | None,
        keep_epochs: tuple[int, ...],
        cuda_graph: bool,
        origin: dict[str, Any],
        engine: Engine = DEFAULT_ENGINE,
    ) -> None:
        """Refuses, before anything is written, what `train_run` says."""
        self.run, self.trainer = run, _trainer(run, data, start_weights, cuda_graph, engine)
        self._data = data
        self._files, self._checkpoint, self._keep_epochs = RunFiles(folder), checkpoint, keep_epochs
        started = datetime.now(UTC).isoformat(timespec="seconds")
        saved = load_checkpoint(checkpoint, data.train.labels.device, run.identity)
        if saved is None:
            self.progress = Progress(
                run.identity, started, seconds=0.0, curve=[], kept={}, origins=[origin], share_seconds=0.0
            )
        else:
            self.progress = self._resume(*saved)
            self.progress.origins.append(origin)
        require_writable(checkpoint.parent)
        require_writable(folder)
        self.progress.kept.setdefault(BEST, self.trainer.weights())
        self._saved_at, self._saved_epochs = time.monotonic(), len(self.progress.curve)

    def _resume(self, progress: Progress, trainer: TrainerState) -> Progress:
        try:
            require_weights_fit(progress, self.trainer.weights())
            self.trainer.load_state(trainer)
        except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise unfitting(self._checkpoint, error) from None
        passed = self.run.start_epoch + len(progress.curve)
        if lost := [epoch for epoch in self._keep_epochs if epoch <= passed and epoch_name(epoch) not in progress.kept]:
            raise UserError(f"{self._checkpoint} is past epoch {lost[0]} and did not keep its weights; {START_AGAIN}")
        return progress

    @property
    def is_saved(self) -> bool:
        """Whether stopping now loses only the epoch under way; False once only the result is left to write."""
        return len(self.progress.curve) == self._saved_epochs and len(self.epochs_left) > 0

    @property
    def saved_so_far(self) -> str:
        """How far the checkpoint is, in words."""
        saved = self.run.start_epoch + self._saved_epochs
        return (
            f"after epoch {saved} of {self.run.settings.epochs}"
            if self._saved_epochs
            else "before its first checkpoint"
        )

    @property
    def epochs_left(self) -> range:
        """The epochs to train, counted from 1."""
        return range(self.run.start_epoch + len(self.progress.curve) + 1, self.run.settings.epochs + 1)

    def record(self, row: CurveRow) -> None:
        """Add the row of an epoch to the curve, and keep the weights that it leaves if they are to be kept."""
        progress = self.progress
        if row.val_accuracy > max((r.val_accuracy for r in last_round([*progress.curve, row])[:-1]), default=-1):
            progress.kept[BEST] = self.trainer.weights()
        if row.epoch in self._keep_epochs:
            progress.kept[epoch_name(row.epoch)] = self.trainer.weights()
        progress.curve.append(row)
        progress.first_epoch += self.trainer.first_epoch
        self.trainer.first_epoch = []

    def save_sometimes(self, *, at_once: bool) -> None:
        """Write the checkpoint, at once or if the last one is about half a minute old."""
        if at_once or time.monotonic() - self._saved_at > _SECONDS_BETWEEN_CHECKPOINTS:
            save_checkpoint(self._checkpoint, self.progress, self.trainer.state())
            self._saved_at, self._saved_epochs = time.monotonic(), len(self.progress.curve)

    def finish(self) -> RunRecord:
        """Write the run's files, and remove the checkpoint."""
        record = record_of(self.run, self.trainer.network, self._data, self.progress)
        write_result(self._files, record, self.progress.curve, self.progress.kept)
        self._checkpoint.unlink(missing_ok=True)
        return record


def require_consistent(run: Run, start_weights: Path | None, keep_epochs: tuple[int, ...]) -> None:
    """Refuse weights to start from where the run has no use for them, or needs them; and epochs that never come."""
    if (start_weights is None) != (run.parent is None):
        raise UserError("finetuning needs the weights of its slot machine, and only finetuning does")
    if late := [epoch for epoch in keep_epochs if not run.start_epoch < epoch <= run.settings.epochs]:
        raise UserError(f"cannot keep the weights of epoch {late[0]}: the run ends after {run.settings.epochs} epochs")


def load_data(run: Run, data_folder: Path, device: torch.device) -> Splits:
    """The dataset of a run, in the form that its network takes."""
    shape = find_network(run.network).input_shape
    return load(run.dataset, data_folder, shape, run.settings.validation, device)


def seconds_between_lines() -> int:
    """Of a progress bar: a log file needs no line per second."""
    return 1 if sys.stderr.isatty() else 60


def _trainer(run: Run, data: Splits, start_weights: Path | None, cuda_graph: bool, engine: Engine) -> Trainer:
    # What a network draws when it is built, such as biases, must not depend on what the process did before.
    torch.manual_seed(key_of("network", run.seed) >> 1)
    network = starting_network(run, data.train.labels.device, start_weights)
    trainer = Trainer(network, run.settings, data, seed=run.seed, cuda_graph=cuda_graph, engine=engine)
    _require_fit(run, network, data)
    return trainer


def _require_fit(run: Run, network: nn.Module, data: Splits) -> None:
    """Refuse, before anything is written, what would stop the first step or the first evaluation."""
    image = data.train.images[:1]
    augment(image, run.settings.augmentation)
    with torch.no_grad():
        classes = network.eval()(data.normalise(image)).shape[1]
    highest = max(int(part.labels.max()) for part in (data.train, data.validation, data.test))
    if highest >= classes:
        raise UserError(
            f"{run.network} tells {classes} classes apart, but {run.dataset} has {highest + 1}; "
            f"set network_settings to {{classes: {highest + 1}}}"
        )
