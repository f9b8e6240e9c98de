"""The state of an unfinished run, from which it goes on as if it had never stopped."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from slotmachines.errors import UserError, one_line
from slotmachines.files import replacing
from slotpipeline.runs.checked_fields import Duration, from_fields
from slotpipeline.runs.run_record import CurveRow, EarlyRow

Weights = dict[str, Tensor]


@dataclass
class Progress:
    """How far a run has come, beside the state of its trainer.

    Attributes:
        identity: of the run.
        started: ISO 8601, UTC.
        seconds: spent so far.
        share_seconds: this run's share of them, see `RunRecord`; None where it is not known, as in older checkpoints.
        curve: one row per epoch.
        kept: the weights that are written at the end, by the names of their files: "best", "epoch-N".
        first_epoch: what was measured within the first epoch.
        origins: what each part of the run was trained by, see `provenance.together`; older checkpoints do not say.
    """

    identity: str
    started: str
    seconds: Duration
    curve: list[CurveRow]
    kept: dict[str, Weights]
    first_epoch: list[EarlyRow] = field(default_factory=list)
    origins: list[dict[str, Any]] = field(default_factory=lambda: [{}])
    share_seconds: Duration | None = None

    def spend(self, seconds: float, jobs: int | None) -> None:
        """Count the time of an epoch, in which so many jobs shared the GPU; None where that is not known."""
        self.seconds += seconds
        known = self.share_seconds is not None and jobs is not None
        self.share_seconds = (self.share_seconds or 0.0) + seconds / jobs if known and jobs else None


@dataclass(frozen=True)
class TrainerState:
    """What the next epoch depends on: the state of the network and of the optimiser, and the round of training."""

    network: Mapping[str, Any]
    optimiser: Mapping[str, Any]
    round: int


def save_checkpoint(path: Path, progress: Progress, trainer: TrainerState) -> None:
    """Write the state of an unfinished run, as one dictionary of the fields of both.

    Raises:
        UserError: the file cannot be written, for instance because the disk is full.
    """
    rows = {name: [vars(row) for row in getattr(progress, name)] for name in ("curve", "first_epoch")}
    state = {**vars(progress), **rows, **vars(trainer)}
    try:
        with replacing(path) as temporary:
            torch.save(state, temporary)
    except RuntimeError as error:  # torch raises it for an error of the file system
        raise UserError(f"cannot write {path}: {one_line(error)}; free some space or choose another folder") from None


def load_checkpoint(path: Path, device: torch.device, identity: str) -> tuple[Progress, TrainerState] | None:
    """The state that was saved last, or None where there is no checkpoint; no code in the file is run.

    Raises:
        UserError: the file is damaged, or does not belong to the run of that identity.
    """
    if not path.exists():
        return None
    try:
        with zipfile.ZipFile(path) as archive:  # torch.load does not compare the checksums
            if damaged := archive.testzip():
                raise zipfile.BadZipFile(f"wrong checksum of {damaged}")
        state = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # any error may come of a damaged archive
        raise UserError(f"the checkpoint {path} is damaged ({one_line(error)}); {START_AGAIN}") from None
    if not isinstance(state, dict) or state.get("identity") != identity:
        raise UserError(f"{path} is not a checkpoint of this run; {START_AGAIN}")
    try:
        progress, trainer = from_fields(Progress, state, others=True), from_fields(TrainerState, state, others=True)
        _require_consecutive(progress.curve)
        _require_known(progress)
    except ValueError as error:
        raise unfitting(path, error) from None
    return progress, trainer


START_AGAIN = "delete it to start this run from the beginning"
"""What to do about a checkpoint that cannot be used."""


def unfitting(path: Path, error: BaseException) -> UserError:
    """What to say of a checkpoint that does not hold what the run needs."""
    return UserError(f"the checkpoint {path} does not fit this run ({one_line(error)}); {START_AGAIN}")


def require_weights_fit(progress: Progress, weights: Weights) -> None:
    """Learn now, not at the end of training, whether the kept weights are of the network that has `weights`.

    Raises:
        ValueError: they are not.
    """
    shapes = {name: value.shape for name, value in weights.items()}
    for name, kept in progress.kept.items():
        if {part: value.shape for part, value in kept.items()} != shapes:
            raise ValueError(f"its weights {name} are those of another network")


def _require_consecutive(curve: list[CurveRow]) -> None:
    for number, row in enumerate(curve):
        if row.epoch != curve[0].epoch + number:
            raise ValueError(f"row {number + 1} of its curve is of epoch {row.epoch}, not {curve[0].epoch + number}")


def _require_known(progress: Progress) -> None:
    """Refuse names of weights that would be no files, and origins that could not be written down."""
    if unknown := [name for name in progress.kept if not re.fullmatch(r"best|epoch-\d+", name)]:
        raise ValueError(f"it holds weights of the unknown name {unknown[0][:60]!r}")
    for origin in progress.origins:
        for name, value in origin.items():
            if not isinstance(value, str | int | None) or not str(value).isprintable():
                raise ValueError(f"{name} of its origin cannot be {str(value)[:60]!r}")
