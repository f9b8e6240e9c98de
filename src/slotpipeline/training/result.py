"""The files of a finished run."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from slotmachines.errors import UserError
from slotmachines.files import replacing, replacing_folder
from slotpipeline.data import Splits
from slotpipeline.runs.metrics import read_metrics
from slotpipeline.runs.recipe import recipe_name
from slotpipeline.runs.run import CURVE, METRICS, WEIGHTS, Run
from slotpipeline.training.evaluation import evaluate
from slotpipeline.training.loop import Row
from slotpipeline.training.provenance import together
from slotpipeline.training.start import kept_weights


def metrics_of(run: Run, network: nn.Module, data: Splits, state: dict[str, Any]) -> dict[str, Any]:
    """The contents of metrics.json: the best epoch on validation, and where the run comes from.

    Args:
        network: as it was trained.
        state: the curve, the seconds, the start and the origins, as checkpoints hold them.
    """
    if state["curve"]:
        best = max(last_round(state["curve"]), key=lambda row: row["val_accuracy"])  # the first of equals
        best_epoch, val_accuracy, test_accuracy = best["epoch"], best["val_accuracy"], best["test_accuracy"]
    else:
        best_epoch = 0
        val_accuracy, test_accuracy = (evaluate(network, part, data)[1] for part in (data.validation, data.test))
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


def last_round(curve: list[Row]) -> list[Row]:
    """The epochs since training last started anew, which only lottery tickets do."""
    return [row for row in curve if row.get("round") == curve[-1].get("round")]


def write_result(folder: Path, metrics: dict[str, Any], curve: list[Row], kept: dict[str, dict[str, Tensor]]) -> None:
    """Write the files of a run: all of them, before the first takes its place; metrics last.

    So a folder with metrics is complete, and an earlier result is still there if the disk is full.

    Raises:
        UserError: a file cannot be written.
    """
    with (
        replacing(folder / METRICS) as new_metrics,
        replacing(folder / CURVE) as new_curve,
        replacing_folder(folder / WEIGHTS) as new_weights,
    ):
        new_metrics.write_text(json.dumps(metrics, indent=2) + "\n")
        with new_curve.open("w", newline="") as lines:
            if curve:
                writer = csv.DictWriter(lines, fieldnames=list(curve[0]))
                writer.writeheader()
                writer.writerows(curve)
        for name, state in kept.items():
            epoch = metrics["best_epoch"] if name == "best" else int(name.removeprefix("epoch-"))
            (new_weights / f"{name}.safetensors").write_bytes(kept_weights(state, metrics["identity"], epoch))
        (folder / METRICS).unlink(missing_ok=True)


def finished_result(run: Run, folder: Path, keep_epochs: Sequence[int]) -> dict[str, Any] | None:
    """The contents of metrics.json where a folder holds the run's files, with the weights of these epochs, or None.

    Raises:
        UserError: the folder holds damaged metrics, or those of another run.
    """
    if not (folder / METRICS).is_file():
        return None
    metrics = read_metrics(folder)
    if metrics["identity"] != run.identity:
        raise UserError(
            f"{folder} holds the run {metrics['identity']}, not {run.identity}; choose another folder, or delete it"
        )
    is_kept = [(folder / WEIGHTS / f"epoch-{epoch}.safetensors").is_file() for epoch in keep_epochs]
    return metrics if all(is_kept) else None
