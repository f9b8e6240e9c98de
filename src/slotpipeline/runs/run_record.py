"""What a finished run says of itself: the fields of its metrics.json, and of a row of its curve.csv."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from slotmachines.errors import UserError, one_line
from slotpipeline.runs.checked_fields import Duration, Percentage, from_fields
from slotpipeline.runs.run_files import METRICS, TRAIN_AGAIN, RunFiles


@dataclass(frozen=True, kw_only=True)
class EarlyRow:
    """A measurement of a network with masks within its first epoch.

    Attributes:
        step: how many steps of training came before it.
        val_accuracy: on the validation images, in evaluation mode.
        altered_share: the share of connections that are pruned or flipped.
    """

    step: int
    val_accuracy: Percentage
    altered_share: float


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """The contents of metrics.json.

    Of a resumed run, what its parts were trained with (device, threads, versions, ...) is joined by " + " where it is
    not the same. Fields with a default are missing in the files of older versions.

    Attributes:
        dataset: name of the dataset.
        network: name of the network.
        method: name of the method: "greedy", "learned" and others.
        seed: of the options, the order of the images, and all that is drawn in training.
        options: K, the number of values per connection of a slot machine; missing for all others.
        recipe: name of the recipe that gave the settings.
        parent: of a finetuned network, the identity of its slot machine's run.
        variant: "finetuned", or blank.
        epochs: number of epochs in total; of a finetuned network those of its slot machine included.
        start_epoch: of a finetuned network, the epochs of its slot machine; missing for all others.
        test_accuracy: on the test images, at the best epoch on validation.
        val_accuracy: on the validation images, at the best epoch.
        best_epoch: the epoch with the best accuracy on validation, from 1; 0 of a network that is not trained.
        wall_seconds: spent on training and evaluating.
        share_seconds: on a GPU, the run's part of the time: each epoch divided by the number of runs that shared the
            GPU then; blank on a processor, or where it is not known. Of GPU runs of commit add6c9d, only the sum of
            wall_seconds over the process means something.
        device: name of the GPU, or "cpu".
        processor: name of the processor.
        threads: number of processor threads.
        python: version of Python.
        torch: version of PyTorch.
        commit: git commit of the source, "-dirty" behind it if the source was changed; see
            `slotpipeline.training.provenance.commit`.
        started: when training began, ISO 8601, UTC.
        data_note: what a result on these data has to mention.
        identity: eight hexadecimal digits of what is trained with which settings; see `Run.identity`.
        tf32: where a GPU rounded to TF32; blank on a processor, where older versions wrote false.
        cuda: version of CUDA; missing on a processor.
        settings: all of them, see `slotpipeline.runs.recipe.Settings`.
        data_sha256: digest of the dataset.
        slotmachines: version of the installed package.
        system: name and version of the operating system.
        cuda_graph: whether each step was replayed as one CUDA graph.
        engine: how a step was computed otherwise, see `slotpipeline.planning.engine.Engine.words`.
        first_epoch: of a network whose masks are not drawn at random, what its first epoch measured.
    """

    dataset: str
    network: str
    method: str
    options: int | None = None
    variant: str
    recipe: str
    seed: int
    epochs: int
    start_epoch: int | None = None
    test_accuracy: Percentage
    val_accuracy: Percentage
    best_epoch: int
    wall_seconds: Duration
    device: str
    processor: str
    threads: int | str | None = None
    commit: str
    started: str
    python: str
    torch: str
    data_note: str
    identity: str
    parent: str | None = None
    tf32: str | bool = ""
    cuda: str | None = None
    settings: Mapping[str, Any]
    data_sha256: str = ""
    slotmachines: str = ""
    system: str = ""
    cuda_graph: bool | str = False
    engine: str = ""
    first_epoch: list[EarlyRow] = field(default_factory=list)
    share_seconds: Duration | None = None


@dataclass(frozen=True, kw_only=True)
class CurveRow:
    """One epoch of a run: a row of its curve.csv.

    Attributes:
        epoch: number of the epoch, from 1; a finetuned network goes on counting from its slot machine.
        learning_rate: at the last step of the epoch.
        train_loss: mean cross-entropy over the steps of the epoch.
        train_accuracy: on the training images, over the steps of the epoch.
        val_loss: mean cross-entropy on the validation images, after the epoch, in evaluation mode.
        val_accuracy: on the validation images, after the epoch, in evaluation mode.
        test_accuracy: on the test images, after the epoch, in evaluation mode.
        changed_share: of a selection, the share of connections whose best option changed since the epoch before.
        mean_magnitude: of a slot machine, the mean of abs(w) / b.
        altered_share: of a rival with masks, the share of connections that are pruned or flipped.
        round: how often training has started over, from 1; only lottery tickets come to a second round.
        sampled_changed_share: of probabilistic selection, the share of connections whose sampled option changed since
            the epoch before.
        redrawn_share: of probabilistic selection, the share of connections that change when sampled again from the same
            scores.
    """

    epoch: int
    learning_rate: float
    train_loss: float
    train_accuracy: Percentage
    val_loss: float
    val_accuracy: Percentage
    test_accuracy: Percentage
    changed_share: float | None
    mean_magnitude: float | None
    altered_share: float | None = None
    round: int | None = None
    sampled_changed_share: float | None = None
    redrawn_share: float | None = None


GPU_COLUMNS = ("share_seconds",)
"""The columns that only the table of a grid has of which a run knows that it was trained on a GPU, alone or not."""
_NOT_IN_TABLES = ("data_sha256", "slotmachines", "system", "cuda_graph", "engine", "first_epoch")
_NOT_IN_OLD_TABLES = ("parent", "tf32", "cuda", "settings", *GPU_COLUMNS)
SAMPLED_COLUMNS = ("sampled_changed_share", "redrawn_share")
"""The columns that only curves of probabilistic selection have, and those of a grid with such a run."""
_NOT_IN_OLD_CURVES = ("altered_share", "round", *SAMPLED_COLUMNS)

EARLY_COLUMNS = ("identity", *(one.name for one in fields(EarlyRow)))
"""The columns of first_epoch.csv, one row per run and measurement."""
RUN_COLUMNS = tuple(one.name for one in fields(RunRecord) if one.name not in _NOT_IN_TABLES)
"""The columns of runs.csv, one row per run."""
OLD_RUN_COLUMNS = tuple(name for name in RUN_COLUMNS if name not in _NOT_IN_OLD_TABLES)
"""The columns that runs.csv has in every version of the project."""
ROW_COLUMNS = tuple(one.name for one in fields(CurveRow))
"""The columns of a run's curve.csv, one row per epoch; without `SAMPLED_COLUMNS` where nothing is sampled."""
CURVE_COLUMNS = ("identity", *ROW_COLUMNS)
"""The columns of the curves of a grid, one row per run and epoch."""
OLD_CURVE_COLUMNS = tuple(name for name in CURVE_COLUMNS if name not in _NOT_IN_OLD_CURVES)
"""The columns that curves have in every version of the project."""


def read_run_record(files: RunFiles) -> RunRecord:
    """The contents of metrics.json among the files of a run.

    Raises:
        UserError: the file is missing or damaged, or a field is missing or has the wrong type.
    """
    try:
        return from_fields(RunRecord, json.loads(files.metrics.read_text(encoding="utf-8")), others=True)
    except (OSError, ValueError, RecursionError) as error:
        raise unreadable(files.folder, error, METRICS) from None


def unreadable(folder: Path, error: BaseException, file: str) -> UserError:
    """What to say of a run of which a file cannot be read."""
    return UserError(f"cannot read the run {folder}: {file}: {one_line(error)}; {TRAIN_AGAIN}")
