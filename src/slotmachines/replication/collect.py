"""From the folders of many runs to one table of results and one of curves."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from slotmachines.errors import UserError
from slotmachines.files import replacing
from slotmachines.replication.run import CURVE, METRICS

COLUMNS = (
    "dataset", "network", "method", "options", "variant", "recipe", "seed", "epochs", "start_epoch", "test_accuracy",
    "val_accuracy", "best_epoch", "wall_seconds", "device", "processor", "threads", "commit", "started", "python",
    "torch", "data_note", "identity", "parent", "tf32", "cuda",
)  # fmt: skip
CURVE_COLUMNS = (
    "identity", "epoch", "learning_rate", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "test_accuracy",
    "changed_share", "mean_magnitude",
)  # fmt: skip
CELL = ["dataset", "network", "method", "options", "variant", "recipe"]


def collect(folders: Sequence[Path], runs_csv: str | Path, curves_csv: str | Path) -> None:
    """Write one row per run, and one row per run and epoch (gzip, the same bytes for the same runs).

    Raises:
        UserError: a run's file is missing or damaged.
    """
    metrics, curves = zip(*(_read(folder) for folder in folders), strict=True)
    runs = pd.DataFrame(metrics, columns=list(COLUMNS))
    runs = runs.astype(dict.fromkeys(["options", "start_epoch"], "Int64"))
    runs = runs.sort_values([*CELL, "seed"], kind="stable")
    with replacing(runs_csv) as temporary:
        runs.to_csv(temporary, index=False, float_format="%.6g")
    order = {identity: number for number, identity in enumerate(runs["identity"])}
    # Untrained networks have no curve.
    trained = [curve for curve in curves if len(curve)] or [pd.DataFrame(columns=list(CURVE_COLUMNS))]
    curve = pd.concat(trained, ignore_index=True)
    curve = curve.sort_values("identity", key=lambda column: column.map(order), kind="stable")
    with replacing(curves_csv) as temporary:
        # Not pandas' compression, which would put the temporary file's name into the archive.
        text = curve.to_csv(index=False, float_format="%.5g")
        temporary.write_bytes(gzip.compress(text.encode(), mtime=0))


def _read(folder: Path) -> tuple[dict[str, object], pd.DataFrame]:
    try:
        metrics = json.loads((folder / METRICS).read_text())
        text = (folder / CURVE).read_text()
        curve = pd.read_csv(folder / CURVE) if text else pd.DataFrame()
        curve.insert(0, "identity", metrics["identity"])
        if metrics["device"] == "cpu":
            metrics["tf32"] = ""  # runs of older versions say false
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())[:160]
        raise UserError(f"cannot read the run {folder}: {reason}; delete the folder to train it again") from None
    return metrics, curve
