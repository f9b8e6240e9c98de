"""The files of a finished run."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from torch import nn

from slotmachines.errors import UserError
from slotmachines.files import replacing, replacing_folder
from slotpipeline.data import Splits
from slotpipeline.runs.recipe import recipe_name
from slotpipeline.runs.run import Run
from slotpipeline.runs.run_files import BEST, RunFiles
from slotpipeline.runs.run_record import ROW_COLUMNS, SAMPLED_COLUMNS, CurveRow, RunRecord, read_run_record
from slotpipeline.training.checkpoint import Progress, Weights
from slotpipeline.training.evaluation import evaluate
from slotpipeline.training.provenance import together
from slotpipeline.training.start import weights_file


def record_of(run: Run, network: nn.Module, data: Splits, progress: Progress) -> RunRecord:
    """The contents of metrics.json: the result at the best epoch on validation, and how the run was trained.

    Args:
        network: as it was trained.
        progress: of the whole run.
    """
    if progress.curve:
        best = max(last_round(progress.curve), key=lambda row: row.val_accuracy)  # the first of equals
        best_epoch, val_accuracy, test_accuracy = best.epoch, best.val_accuracy, best.test_accuracy
    else:
        best_epoch = 0
        val_accuracy, test_accuracy = (evaluate(network, part, data)[1] for part in (data.validation, data.test))
    return RunRecord(
        dataset=run.dataset,
        network=run.network,
        method=run.method,
        options=run.options,
        variant=run.variant,
        recipe=recipe_name(run.recipe),
        seed=run.seed,
        epochs=run.settings.epochs,
        start_epoch=run.start_epoch or None,
        test_accuracy=test_accuracy,
        val_accuracy=val_accuracy,
        best_epoch=best_epoch,
        wall_seconds=round(progress.seconds, 3),
        share_seconds=round(progress.share_seconds, 3) if progress.share_seconds else None,
        started=progress.started,
        identity=run.identity,
        parent=run.parent.identity if run.parent else None,
        settings=asdict(run.settings),
        data_note=data.note,
        data_sha256=data.digest,
        first_epoch=progress.first_epoch,
        **together(progress.origins),
    )


def last_round(curve: list[CurveRow]) -> list[CurveRow]:
    """The epochs since training last started over, which only lottery tickets do."""
    return [row for row in curve if row.round == curve[-1].round]


def write_result(files: RunFiles, record: RunRecord, curve: Sequence[CurveRow], kept: Mapping[str, Weights]) -> None:
    """Write the files of a run: all of them, before the first takes its place; metrics.json last.

    So a folder with metrics.json is complete, and a full disk leaves an earlier result as it was.

    Args:
        kept: the weights to write, by the names of their files.

    Raises:
        UserError: a file cannot be written.
    """
    with (
        replacing(files.metrics) as new_metrics,
        replacing(files.curve) as new_curve,
        replacing_folder(files.weights) as new_weights,
    ):
        new_metrics.write_text(json.dumps(asdict(record), indent=2) + "\n")
        with new_curve.open("w", newline="") as lines:
            if curve:
                samples = any(row.sampled_changed_share is not None for row in curve)
                columns = [name for name in ROW_COLUMNS if samples or name not in SAMPLED_COLUMNS]
                writer = csv.DictWriter(lines, fieldnames=columns, extrasaction="ignore")
                writer.writeheader()
                writer.writerows(map(vars, curve))
        for name, weights in kept.items():
            epoch = record.best_epoch if name == BEST else int(name.removeprefix("epoch-"))
            (new_weights / f"{name}.safetensors").write_bytes(weights_file(weights, record.identity, epoch))
        files.metrics.unlink(missing_ok=True)


def finished_result(run: Run, files: RunFiles, keep_epochs: Sequence[int]) -> RunRecord | None:
    """The contents of metrics.json where the run is finished and kept the weights of these epochs, or None.

    Raises:
        UserError: metrics.json is damaged, or that of another run.
    """
    if not files.is_finished:
        return None
    record = read_run_record(files)
    if record.identity != run.identity:
        raise UserError(
            f"{files.folder} holds the run {record.identity}, not {run.identity}; choose another folder, or delete it"
        )
    return record if all(files.epoch_weights(epoch).is_file() for epoch in keep_epochs) else None
