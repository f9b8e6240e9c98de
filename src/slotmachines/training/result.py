"""The files of a finished run."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from slotmachines.data import Splits
from slotmachines.files import replacing, replacing_folder
from slotmachines.replication.recipe import recipe_name
from slotmachines.replication.run import CURVE, METRICS, WEIGHTS, Run
from slotmachines.training.evaluation import evaluate
from slotmachines.training.loop import Row
from slotmachines.training.network import kept_weights
from slotmachines.training.provenance import together


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
    """Write the files of a run: weights and curve first, metrics last, so that a folder with metrics is complete.

    Raises:
        UserError: a file cannot be written.
    """
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
