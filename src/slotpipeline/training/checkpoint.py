"""The state of an unfinished run, from which it goes on as if it had never stopped."""

from __future__ import annotations

import math
import re
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from slotmachines.errors import UserError, one_line
from slotmachines.files import replacing
from slotpipeline.runs.metrics import CURVE_COLUMNS


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write tensors, numbers, strings, and lists and dicts of them.

    Raises:
        UserError: the file cannot be written, for instance because the disk is full.
    """
    try:
        with replacing(path) as temporary:
            torch.save(state, temporary)
    except RuntimeError as error:  # what torch makes of an error of the file system
        raise UserError(f"cannot write {path}: {one_line(error)}; free some space or choose another folder") from None


def require_whole(state: dict[str, Any], weights: dict[str, Tensor]) -> None:
    """Learn now, not at the end of training, whether the state of an unfinished run holds all that its files need.

    Args:
        weights: of the network, the shapes of which the kept ones must have.

    Raises:
        TypeError, KeyError, ValueError, AttributeError: it does not.
    """
    for number, row in enumerate(state["curve"]):
        numbers = all(type(value) in (int, float) for value in row.values() if value is not None)
        if not numbers or tuple(row) != CURVE_COLUMNS[1:] or row["epoch"] != state["curve"][0]["epoch"] + number:
            raise ValueError(f"row {number + 1} of its curve is none")
    shapes = {name: value.shape for name, value in weights.items()}
    for name, kept in state["kept"].items():
        if not re.fullmatch(r"best|epoch-\d+", name) or {part: value.shape for part, value in kept.items()} != shapes:
            raise ValueError(f"its weights {name} are those of another network")
    is_time = type(state["seconds"]) is float and 0 <= state["seconds"] < math.inf
    if not (is_time and type(state["started"]) is str and type(state["round"]) is int):
        raise ValueError("its times are none")
    for origin in state.get("origins", []):
        if not all(isinstance(value, str | int | None) for value in origin.values()):
            raise ValueError("it comes from nowhere")


def load_checkpoint(path: Path, device: torch.device, identity: str) -> dict[str, Any] | None:
    """The state that was saved last, or None; no code in the file is run.

    Raises:
        UserError: the file is damaged, or does not belong to the run of that identity.
    """
    if not path.exists():
        return None
    try:
        with zipfile.ZipFile(path) as archive:  # torch.load does not compare the checksums
            if damaged := archive.testzip():
                raise zipfile.BadZipFile(f"wrong checksum of {damaged}")
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # readers of damaged archives raise whatever the damage leads them to
        raise UserError(
            f"the checkpoint {path} is damaged ({one_line(error)}); delete it to start this run anew"
        ) from None
    if not isinstance(state, dict) or state.get("identity") != identity:
        raise UserError(f"{path} is no checkpoint of this run; delete it to start this run anew")
    return state
