"""Train one run from its first epoch, or from where it stopped, to its files."""

from __future__ import annotations

import csv
import json
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from slotmachines.data import Splits, augment, load
from slotmachines.errors import UserError
from slotmachines.files import replacing, replacing_folder, require_writable
from slotmachines.networks import INPUT_SHAPES
from slotmachines.replication.recipe import recipe_name
from slotmachines.replication.run import CURVE, METRICS, WEIGHTS, Run
from slotmachines.training.checkpoint import load_checkpoint, save_checkpoint
from slotmachines.training.evaluation import evaluate
from slotmachines.training.loop import Row, Trainer
from slotmachines.training.network import kept_weights, starting_network
from slotmachines.training.provenance import provenance, together

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
    show_progress: bool = True,
) -> dict[str, Any]:
    """Train, and write metrics.json, curve.csv and weights/ (best.safetensors, epoch-N.safetensors) into `folder`.

    If `checkpoint` exists, training goes on from it, to the same result as without interruption; it is written
    about every half minute and removed at the end. Where the parts of a resumed run were not trained by the same code
    on the same machine, metrics.json names all of them (`provenance.together`).

    Args:
        run: what to train.
        data_folder: where `slotmachines fetch` put the dataset.
        folder: of the run's files; they appear all at once, at the end.
        checkpoint: file for the state of the unfinished run.
        start_weights: of a finetuned network, the selected weights that it starts from.
        keep_epochs: epochs whose selected weights are kept.
        device: of torch, such as "cpu" or "cuda:1", or "auto": a GPU where there is one.
        threads: number of processor threads; part of what makes a result repeatable to the bit.

    Returns:
        The contents of metrics.json.

    Raises:
        UserError: unknown names, missing or damaged data, weights or checkpoint, labels or weights that do not fit the
            run, a device that is not there, a folder that cannot be written, or a loss that is no longer finite.
    """
    if (start_weights is None) != (run.parent is None):
        raise UserError("finetuning needs the weights of its slot machine, and only finetuning does")
    if late := [epoch for epoch in keep_epochs if not run.start_epoch < epoch <= run.settings.epochs]:
        raise UserError(f"cannot keep the weights of epoch {late[0]}: the run ends after {run.settings.epochs} epochs")
    target = _device(device)
    torch.set_num_threads(threads)
    if run.network not in INPUT_SHAPES:
        raise UserError(f"unknown network {run.network!r}: use one of {', '.join(INPUT_SHAPES)}")
    data = load(run.dataset, data_folder, INPUT_SHAPES[run.network], run.settings.validation, target)
    origin = provenance(target)  # now: while the run trains, others may change the source
    trainer = Trainer(starting_network(run, target, start_weights), run.settings, data, seed=run.seed)
    _require_fit(run, trainer.network, data)
    started = datetime.now(UTC).isoformat(timespec="seconds")
    state = load_checkpoint(checkpoint, target, run.identity)
    if state is None:
        state = {"identity": run.identity, "started": started, "seconds": 0.0, "curve": [], "kept": {}}
        state["origins"] = [origin]
    else:
        passed = run.start_epoch + len(state["curve"])
        if lost := [epoch for epoch in keep_epochs if epoch <= passed and f"epoch-{epoch}" not in state["kept"]]:
            raise UserError(
                f"{checkpoint} is past epoch {lost[0]} and did not keep its weights; delete it to start this run anew"
            )
        trainer.load_state_dict(state)
        state["origins"] = [*state.get("origins", [{}]), origin]  # older checkpoints do not say where they come from
    require_writable(checkpoint.parent)
    require_writable(folder)
    _train_epochs(run, trainer, state, checkpoint, keep_epochs, show_progress)
    metrics = _metrics(run, trainer, data, state)
    _write(folder, metrics, state["curve"], state["kept"])
    checkpoint.unlink(missing_ok=True)
    return metrics


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


def _train_epochs(
    run: Run,
    trainer: Trainer,
    state: dict[str, Any],
    checkpoint: Path,
    keep_epochs: tuple[int, ...],
    show_progress: bool,
) -> None:
    """Train the epochs that are left; `state` gathers the curve, the kept weights and the seconds spent."""
    curve: list[Row] = state["curve"]
    kept: dict[str, dict[str, Tensor]] = state["kept"]
    first = run.start_epoch + len(curve) + 1
    kept.setdefault("best", trainer.weights())
    saved = time.monotonic()
    with tqdm(
        range(first, run.settings.epochs + 1), initial=first - 1, total=run.settings.epochs,
        desc=run.folder, unit="epoch", disable=not show_progress,
        mininterval=1 if sys.stderr.isatty() else 60,  # a log file needs no line per second
    ) as bar:  # fmt: skip
        for epoch in bar:
            begin = time.perf_counter()
            row = trainer.train_epoch(epoch)
            if row["val_accuracy"] > max((r["val_accuracy"] for r in curve), default=-1):
                kept["best"] = trainer.weights()
            if epoch in keep_epochs:
                kept[f"epoch-{epoch}"] = trainer.weights()
            curve.append(row)
            state["seconds"] += time.perf_counter() - begin
            bar.set_postfix(val=f"{row['val_accuracy']:.2f}%", loss=f"{row['train_loss']:.4f}", refresh=False)
            if time.monotonic() - saved > _SECONDS_BETWEEN_CHECKPOINTS:
                save_checkpoint(checkpoint, {**state, **trainer.state_dict()})
                saved = time.monotonic()


def _metrics(run: Run, trainer: Trainer, data: Splits, state: dict[str, Any]) -> dict[str, Any]:
    if state["curve"]:
        best = max(state["curve"], key=lambda row: row["val_accuracy"])  # the first of equals
        best_epoch, val_accuracy, test_accuracy = best["epoch"], best["val_accuracy"], best["test_accuracy"]
    else:
        best_epoch = 0
        val_accuracy, test_accuracy = (
            evaluate(trainer.network, part, data)[1] for part in (data.validation, data.test)
        )
    return {
        "dataset": run.dataset,
        "network": run.network,
        "method": run.method,
        "options": run.options,
        "variant": run.variant,
        "recipe": recipe_name(run.recipe),
        "seed": run.seed,
        "epochs": run.settings.epochs,
        "start_epoch": run.start_epoch or None,
        "test_accuracy": test_accuracy,
        "val_accuracy": val_accuracy,
        "best_epoch": best_epoch,
        "wall_seconds": round(state["seconds"], 3),
        "started": state["started"],
        "identity": run.identity,
        "parent": run.parent.identity if run.parent else None,
        "settings": asdict(run.settings),
        "data_note": data.note,
        "data_sha256": data.digest,
        **together(state["origins"]),
    }


def _write(folder: Path, metrics: dict[str, Any], curve: list[Row], kept: dict[str, dict[str, Tensor]]) -> None:
    """Weights and curve first, metrics last: a folder with metrics is complete."""
    (folder / METRICS).unlink(missing_ok=True)
    with replacing(folder / CURVE) as temporary, temporary.open("w", newline="") as lines:
        if curve:
            writer = csv.DictWriter(lines, fieldnames=list(curve[0]))
            writer.writeheader()
            writer.writerows(curve)
    with replacing_folder(folder / WEIGHTS) as weights:
        for name, state in kept.items():
            epoch = metrics["best_epoch"] if name == "best" else int(name.removeprefix("epoch-"))
            (weights / f"{name}.safetensors").write_bytes(kept_weights(state, metrics["identity"], epoch))
    with replacing(folder / METRICS) as temporary:
        temporary.write_text(json.dumps(metrics, indent=2) + "\n")


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"cannot use device {name!r}: {reason}; use 'cpu', or 'cuda' on a machine with a GPU") from None
    return device
