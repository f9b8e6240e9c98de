"""How far the checkpoint of an unfinished run is, read without torch and without its weights."""

from __future__ import annotations

import math
import pickle
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PICKLE = "data.pkl"
"""The part of a file of torch.save that holds everything but the numbers of the tensors."""


@dataclass(frozen=True)
class SavedState:
    """What the checkpoint of a run says.

    Attributes:
        epochs: how many the run has trained itself; those of a slot machine that it starts from are not counted.
        seconds_per_epoch: None before the first epoch.
        accuracy: on validation after the last of them, in percent; None before the first epoch.
    """

    epochs: int
    seconds_per_epoch: float | None
    accuracy: float | None


def read_saved_state(checkpoint: Path) -> SavedState | None:
    """How far a checkpoint is; None where it is missing or cannot be read, which training then says."""
    try:
        with zipfile.ZipFile(checkpoint) as archive:
            (name,) = (one for one in archive.namelist() if one.rpartition("/")[2] == _PICKLE)
            with archive.open(name) as part:
                state = _WithoutTensors(part).load()
        curve = state["curve"]
        if not curve:
            return SavedState(0, None, None)
        seconds, accuracy = float(state["seconds"]) / len(curve), float(curve[-1]["val_accuracy"])
    except Exception:  # any error may come of a damaged archive
        return None
    return SavedState(len(curve), seconds if 0 < seconds < math.inf else None, accuracy)


class _WithoutTensors(pickle.Unpickler):
    """Reads plain values; whatever else a file names is neither imported nor called."""

    def find_class(self, module: str, name: str) -> Any:
        return OrderedDict if (module, name) == ("collections", "OrderedDict") else _LeftOut

    def persistent_load(self, pid: Any) -> None:
        return None


class _LeftOut:
    """Stands for a tensor, or for anything else that is no plain value."""

    def __init__(self, *arguments: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass
