"""What a finished run says of itself: the contents of its metrics.json, and the columns of its curve.csv."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from slotmachines.errors import UserError, one_line
from slotpipeline.runs.run import METRICS
from slotpipeline.runs.to_do import AGAIN

CURVE_COLUMNS = (
    "identity", "epoch", "learning_rate", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "test_accuracy",
    "changed_share", "mean_magnitude", "altered_share", "round",
)  # fmt: skip
OLD_CURVE_COLUMNS = tuple(name for name in CURVE_COLUMNS if name not in ("altered_share", "round"))
"""Those that the runs of every version have."""


def _is_whole(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _is_share(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= 100


def _is_duration(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value < math.inf


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value.isprintable()


def _is_settings(value: Any) -> bool:
    return isinstance(value, dict)


# What tables, figures and report rely on; a run says more, and older versions said less.
_FIELDS: Mapping[Callable[[Any], bool], tuple[str, ...]] = {
    _is_text: (
        "dataset", "network", "method", "variant", "recipe", "identity", "device", "processor", "commit", "started",
        "python", "torch", "data_note",
    ),
    _is_whole: ("seed", "epochs", "best_epoch"),
    lambda value: value is None or _is_whole(value): ("options", "start_epoch"),
    lambda value: value is None or _is_text(value): ("parent",),
    _is_share: ("test_accuracy", "val_accuracy"),
    _is_duration: ("wall_seconds",),
    _is_settings: ("settings",),
}  # fmt: skip


def read_metrics(folder: Path) -> dict[str, Any]:
    """The contents of metrics.json in the folder of a run.

    Raises:
        UserError: the file is missing, damaged or lacks something.
    """
    try:
        metrics = json.loads((folder / METRICS).read_text(encoding="utf-8"))
        if not isinstance(metrics, dict):
            raise ValueError(f"{METRICS} holds no object")
        for is_right, names in _FIELDS.items():
            if wrong := [name for name in names if not is_right(metrics.get(name))]:
                raise ValueError(f"{METRICS}: {wrong[0]} cannot be {str(metrics.get(wrong[0], 'missing'))[:60]!r}")
    except (OSError, ValueError, RecursionError) as error:
        raise unreadable(folder, error) from None
    return metrics


def unreadable(folder: Path, error: BaseException) -> UserError:
    """What to say of a run of which a file cannot be read."""
    return UserError(f"cannot read the run {folder}: {one_line(error)}; {AGAIN}")
