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

from slotmachines.errors import UserError, one_line
from slotmachines.files import require_writable
from slotmachines.networks.names import find_network
from slotpipeline.data import Splits, augment, load
from slotpipeline.runs.run import Run
from slotpipeline.stopping import Stopped, stoppable
from slotpipeline.training.checkpoint import load_checkpoint, require_whole, save_checkpoint
from slotpipeline.training.device import prepare_device
from slotpipeline.training.loop import Row, Trainer
from slotpipeline.training.provenance import provenance
from slotpipeline.training.result import last_round, metrics_of, write_result
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
    show_progress: bool = True,
) -> dict[str, Any]:
    """Train, and write metrics.json, curve.csv and weights/ (best.safetensors, epoch-N.safetensors) into `folder`.

    If `checkpoint` exists, training goes on from it, to the same result as without interruption; it is written
    about every half minute, and when SIGTERM or SIGINT ends the run, and removed at the end. Where the parts of a
    resumed run were not trained by the same code on the same machine, metrics.json names all of them
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

    Returns:
        The contents of metrics.json.

    Raises:
        UserError: unknown names, missing or damaged data, weights or checkpoint, labels or weights that do not fit the
            run, a device that is not there, a folder that cannot be written, or a loss that is no longer finite.
        Stopped: by a signal, with a checkpoint of the last whole epoch. A run in its last epoch is finished instead.
    """
    require_consistent(run, start_weights, keep_epochs)
    target = prepare_device(device, threads, cuda_graph)
    unfinished = UnfinishedRun(
        run,
        load_data(run, data_folder, target),
        folder=folder,
        checkpoint=checkpoint,
        start_weights=start_weights,
        keep_epochs=keep_epochs,
        cuda_graph=cuda_graph,
        origin=origin_of(target, cuda_graph, runs=1),
    )
    try:
        with stoppable(lambda: unfinished.is_saved) as signal_number:
            _train_epochs(unfinished, signal_number, show_progress)
            return unfinished.finish()
    except Stopped as stopped:
        stopped.where = unfinished.progress
        raise


def _train_epochs(unfinished: UnfinishedRun, signal_number: Callable[[], int], show_progress: bool) -> None:
    run, left = unfinished.run, unfinished.epochs_left
    with tqdm(
        left, initial=left.start - 1, total=run.settings.epochs,
        desc=run.folder, unit="epoch", disable=not show_progress, mininterval=seconds_between_lines(),
    ) as bar:  # fmt: skip
        for epoch in bar:
            begin = time.perf_counter()
            row = unfinished.trainer.train_epoch(epoch)
            unfinished.record(row)
            unfinished.state["seconds"] += time.perf_counter() - begin
            bar.set_postfix(val=f"{row['val_accuracy']:.2f}%", loss=f"{row['train_loss']:.4f}", refresh=False)
            unfinished.save_sometimes(at_once=signal_number() > 0)
            if signal_number() and unfinished.is_saved:
                raise Stopped(signal_number())


class UnfinishedRun:
    """A run from its first epoch, or from its checkpoint, to its files.

    Attributes:
        trainer: trains the network.
        state: what the checkpoint holds beside the trainer's state: the curve, the kept weights, the seconds spent.
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
    ) -> None:
        """Refuses, before anything is written, what `train_run` says."""
        self.run, self.trainer = run, _trainer(run, data, start_weights, cuda_graph)
        self._data = data
        self._folder, self._checkpoint, self._keep_epochs = folder, checkpoint, keep_epochs
        started = datetime.now(UTC).isoformat(timespec="seconds")
        state = load_checkpoint(checkpoint, data.train.labels.device, run.identity)
        if state is None:
            state = {"identity": run.identity, "started": started, "seconds": 0.0, "curve": [], "kept": {}}
            state["origins"] = [origin]
        else:
            self._resume(state)
            passed = run.start_epoch + len(state["curve"])
            if lost := [epoch for epoch in keep_epochs if epoch <= passed and f"epoch-{epoch}" not in state["kept"]]:
                raise UserError(
                    f"{checkpoint} is past epoch {lost[0]} and did not keep its weights; "
                    "delete it to start this run anew"
                )
            # Older checkpoints do not say where they come from.
            state["origins"] = [*state.get("origins", [{}]), origin]
        self.state = state
        require_writable(checkpoint.parent)
        require_writable(folder)
        state["kept"].setdefault("best", self.trainer.weights())
        self._saved_at, self._saved_epochs = time.monotonic(), len(state["curve"])

    def _resume(self, state: dict[str, Any]) -> None:
        try:
            require_whole(state, self.trainer.weights())
            self.trainer.load_state_dict(state)
        except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise UserError(
                f"the checkpoint {self._checkpoint} does not fit this run ({one_line(error)}); "
                "delete it to start this run anew"
            ) from None

    @property
    def is_saved(self) -> bool:
        """Whether stopping now loses the epoch under way alone; not after the last one, when the result is written."""
        return len(self.state["curve"]) == self._saved_epochs and len(self.epochs_left) > 0

    @property
    def progress(self) -> str:
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
        return range(self.run.start_epoch + len(self.state["curve"]) + 1, self.run.settings.epochs + 1)

    def record(self, row: Row) -> None:
        """Add the row of an epoch to the curve, and keep the weights that it leaves if they are to be kept."""
        curve: list[Row] = self.state["curve"]
        if row["val_accuracy"] > max((r["val_accuracy"] for r in last_round([*curve, row])[:-1]), default=-1):
            self.state["kept"]["best"] = self.trainer.weights()
        if row["epoch"] in self._keep_epochs:
            self.state["kept"][f"epoch-{row['epoch']}"] = self.trainer.weights()
        curve.append(row)

    def save_sometimes(self, *, at_once: bool) -> None:
        """Write the checkpoint, at once or if the last one is about half a minute old."""
        if at_once or time.monotonic() - self._saved_at > _SECONDS_BETWEEN_CHECKPOINTS:
            save_checkpoint(self._checkpoint, {**self.state, **self.trainer.state_dict()})
            self._saved_at, self._saved_epochs = time.monotonic(), len(self.state["curve"])

    def finish(self) -> dict[str, Any]:
        """Write the run's files, and remove the checkpoint; returns the contents of metrics.json."""
        metrics = metrics_of(self.run, self.trainer.network, self._data, self.state)
        write_result(self._folder, metrics, self.state["curve"], self.state["kept"])
        self._checkpoint.unlink(missing_ok=True)
        return metrics


def require_consistent(run: Run, start_weights: Path | None, keep_epochs: tuple[int, ...]) -> None:
    """Refuse weights to start from where there can be none, none where there must be, and epochs that never come."""
    if (start_weights is None) != (run.parent is None):
        raise UserError("finetuning needs the weights of its slot machine, and only finetuning does")
    if late := [epoch for epoch in keep_epochs if not run.start_epoch < epoch <= run.settings.epochs]:
        raise UserError(f"cannot keep the weights of epoch {late[0]}: the run ends after {run.settings.epochs} epochs")


def load_data(run: Run, data_folder: Path, device: torch.device) -> Splits:
    """The dataset of a run, in the form that its network takes."""
    shape = find_network(run.network).input_shape
    return load(run.dataset, data_folder, shape, run.settings.validation, device)


def origin_of(device: torch.device, cuda_graph: bool, *, runs: int) -> dict[str, Any]:
    """Where results come from: to be asked at the start, as others may change the source while a run trains.

    Runs that are trained together share the device, which their wall_seconds have to be read with.
    """
    return {**provenance(device), "cuda_graph": cuda_graph, "runs_together": runs}


def seconds_between_lines() -> int:
    """Of a progress bar: a log file needs no line per second."""
    return 1 if sys.stderr.isatty() else 60


def _trainer(run: Run, data: Splits, start_weights: Path | None, cuda_graph: bool) -> Trainer:
    network = starting_network(run, data.train.labels.device, start_weights)
    trainer = Trainer(network, run.settings, data, seed=run.seed, cuda_graph=cuda_graph)
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
