"""What was written at commit 32b8278 is still read, and means the same: runs, checkpoints, tickets, identities."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from torch import nn

from slotmachines import load_ticket, option_table, slotify_
from slotmachines.networks.names import NETWORKS, Network
from slotpipeline.results.collect import collect
from slotpipeline.runs.recipe import make_settings
from slotpipeline.runs.run import Run, make_run
from slotpipeline.runs.run_files import RunFiles, run_files
from slotpipeline.runs.run_record import read_run_record
from slotpipeline.training.loop import Trainer
from slotpipeline.training.provenance import provenance
from slotpipeline.training.train import train_run

PROJECT = Path(__file__).parents[1]
OLD = Path(__file__).parent / "data" / "32b8278"
RESULTS = ("paper", "mnist")


def narrow(classes: int = 10) -> nn.Sequential:
    """The network of the old files."""
    return nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 8, bias=False), nn.ReLU(), nn.Linear(8, classes, bias=False))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """The run of the old files."""
    monkeypatch.setitem(NETWORKS, "narrow", Network("narrow", "narrow", (1, 28, 28), f"{__name__}:narrow"))
    changes = {"epochs": 3, "schedule_epochs": [2], "weight_decay": 1e-4}
    return make_run(
        network="narrow", dataset="digits", method="greedy", options=4, seed=1, recipe="paper-glorot", changes=changes
    )


def test_a_run_is_read(run: Run) -> None:
    record, written = read_run_record(RunFiles(OLD / "run")), json.loads((OLD / "run/metrics.json").read_text())
    assert record.identity == run.identity
    names = {field.name for field in fields(record)}
    assert set(written) - names == {"runs_together"}  # which is always 1
    added = {"first_epoch": [], "engine": "", "share_seconds": None}
    assert {name: getattr(record, name) for name in names} == {name: (written | added)[name] for name in names}


def test_a_run_is_collected(run: Run, tmp_path: Path) -> None:
    shutil.copytree(OLD / "run", run_files(run, tmp_path).folder)
    collect([run], [run], tmp_path)
    for name in ("runs.csv", "curves.csv.gz", "selected_weights.csv"):
        assert (tmp_path / name).read_bytes() == (OLD / "collected" / name).read_bytes(), name


def test_a_checkpoint_goes_on_to_the_result_that_it_went_on_to_then(
    run: Run, tmp_path: Path, digits_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(OLD / "checkpoint.pt", tmp_path / "checkpoint.pt")
    trained: list[int] = []
    train_epoch = Trainer.train_epoch
    monkeypatch.setattr(Trainer, "train_epoch", lambda self, epoch: trained.append(epoch) or train_epoch(self, epoch))
    record = train_run(
        run, data_folder=digits_folder, folder=tmp_path / "run", checkpoint=tmp_path / "checkpoint.pt",
        keep_epochs=(1,), show_progress=False,
    )  # fmt: skip
    assert trained == [3]
    then = read_run_record(RunFiles(OLD / "run"))
    assert record.started == then.started
    new, old = (pd.read_csv(folder / "run/curve.csv") for folder in (tmp_path, OLD))
    assert new[:2].equals(old[:2]) and list(new) == list(old)
    weights = "weights/epoch-1.safetensors"
    assert (tmp_path / "run" / weights).read_bytes() == (OLD / "run" / weights).read_bytes()
    here = provenance(torch.device("cpu"))
    if (here["processor"], here["torch"]) == (then.processor, then.torch):  # the last bits are those of a machine
        for name in ("curve.csv", "weights/best.safetensors"):
            assert (tmp_path / "run" / name).read_bytes() == (OLD / "run" / name).read_bytes(), name
    assert record.test_accuracy == pytest.approx(then.test_accuracy, abs=1)
    for name in new:
        assert new[name][2] == pytest.approx(old[name][2], rel=0.05, nan_ok=True)


def test_a_ticket_is_read() -> None:
    network = load_ticket(narrow(), OLD / "ticket.safetensors")
    options = torch.load(OLD / "options.pt", weights_only=True)
    values = option_table(slotify_(narrow(), options=5, seed=2))
    assert set(options) == set(values) == {"1.weight", "3.weight"}
    for name, chosen in options.items():
        selected = values[name][0].gather(-1, chosen.to(torch.int64).unsqueeze(-1)).squeeze(-1)
        assert torch.equal(network.state_dict()[name], selected)


def recorded_runs() -> Iterator[tuple[dict[str, Any], Run]]:
    """Each row of the grids' runs.csv, and the run that its columns describe."""
    for grid in RESULTS:
        table = pd.read_csv(PROJECT / "results" / grid / "runs.csv", dtype=str, keep_default_na=False)
        rows = {row["identity"]: row for row in table.to_dict("records")}
        for row in rows.values():
            yield row, described(row, rows)


def described(row: dict[str, Any], rows: dict[str, dict[str, Any]]) -> Run:
    return Run(
        network=row["network"],
        dataset=row["dataset"],
        method=row["method"],
        options=int(row["options"]) if row["options"] else None,
        seed=int(row["seed"]),
        recipe=row["recipe"],
        settings=make_settings(json.loads(row["settings"]), row["identity"]),
        start_epoch=int(row["start_epoch"] or 0),
        parent=described(rows[row["parent"]], rows) if row["parent"] else None,
    )


def test_each_recorded_run_has_the_identity_that_its_settings_give_it() -> None:
    runs = list(recorded_runs())
    wrong = [row["identity"] for row, run in runs if run.identity != row["identity"]]
    assert wrong == []
    pinned = set((OLD / "identities.txt").read_text().split())
    assert len(pinned) == 330 and pinned <= {run.identity for _, run in runs}
