"""The state of an unfinished run, from which it goes on as if it had never stopped."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import torch

from slotmachines.errors import UserError
from slotmachines.files import replacing


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write tensors, numbers, strings, and lists and dicts of them.

    Raises:
        UserError: the file cannot be written, for instance because the disk is full.
    """
    try:
        with replacing(path) as temporary:
            torch.save(state, temporary)
    except RuntimeError as error:  # what torch makes of an error of the file system
        reason = " ".join(str(error).split())[:120]
        raise UserError(f"cannot write {path}: {reason}; free some space or choose another folder") from None


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
        reason = " ".join(str(error).split())[:120]
        raise UserError(f"the checkpoint {path} is damaged ({reason}); delete it to start this run anew") from None
    if not isinstance(state, dict) or state.get("identity") != identity:
        raise UserError(f"{path} is no checkpoint of this run; delete it to start this run anew")
    return state
