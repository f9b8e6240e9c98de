"""Several runs, one after the other in one process: each as it is alone, whatever becomes of the others."""

import dataclasses
import os
import shlex
import signal
from pathlib import Path

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from conftest import files_of, tiny_run
from slotmachines import UserError
from slotmachines.networks.names import NETWORKS, Network
from slotpipeline import cli
from slotpipeline.planning.training_job import TrainingJob
from slotpipeline.runs.run import Run, finetuned, with_seed
from slotpipeline.runs.run_record import RunRecord
from slotpipeline.stopping import Stopped
from slotpipeline.training import train as train_module
from slotpipeline.training.jobs import train_all
from slotpipeline.training.loop import Trainer
from slotpipeline.training.start import starting_network
from test_resume import assert_equal_results


@pytest.fixture
def job(tmp_path, digits_folder):
    """How to train a run into a folder below tmp_path."""

    def call(run: Run, name: str, **more) -> TrainingJob:
        return TrainingJob(run, tmp_path / name, tmp_path / f"{name}.pt", digits_folder, device="cpu", **more)

    return call


def trained(jobs: list[TrainingJob]) -> tuple[list[RunRecord], list[str]]:
    """The results of the finished runs, and what is said of those that failed."""
    finished: list[RunRecord] = []
    failed = train_all(jobs, lambda job, record: finished.append(record))
    return finished, failed


def with_biases(classes: int = 10) -> nn.Sequential:
    """A network whose biases are drawn when it is built."""
    return nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 8), nn.ReLU(), nn.Linear(8, classes))


def test_each_run_has_the_bits_that_it_has_alone(train, job, tmp_path, monkeypatch):
    monkeypatch.setitem(NETWORKS, "biases", Network("biases", "biases", (1, 28, 28), f"{__name__}:with_biases"))
    slot_machine = tiny_run("probabilistic")
    weights = tmp_path / "slot machine/weights/epoch-2.safetensors"
    runs = {
        "slot machine": (slot_machine, {"keep_epochs": (2,)}),
        "finetuned": (finetuned(slot_machine, 2), {"start_weights": weights}),
        "biases": (tiny_run("learned", "biases"), {}),
        "another seed": (with_seed(tiny_run("learned", "biases"), 7), {}),
        "supermask": (tiny_run("supermask"), {}),
    }
    finished, failed = trained([job(run, name, **more) for name, (run, more) in runs.items()])
    assert failed == [] and [record.identity for record in finished] == [run.identity for run, _ in runs.values()]
    for name, (run, more) in reversed(runs.items()):
        train(run, f"{name} alone", **more)
        assert_equal_results(tmp_path / f"{name} alone", tmp_path / name)
        assert not (tmp_path / f"{name}.pt").exists()


def test_a_checkpoint_that_a_killed_process_left_beside_its_result_is_removed(job):
    one = job(tiny_run("learned"), "run")
    assert trained([one])[1] == []
    before = (one.folder / "metrics.json").read_bytes()
    one.checkpoint.write_bytes(b"of the same run, killed before it was removed")
    assert trained([one])[1] == []
    assert not one.checkpoint.exists() and (one.folder / "metrics.json").read_bytes() == before


def test_a_run_that_fails_does_not_take_the_others_with_it(job, tmp_path, monkeypatch):
    def starting(run: Run, *arguments) -> nn.Module:
        if run.seed == 2:
            raise torch.OutOfMemoryError("the GPU is full")
        network = starting_network(run, *arguments)
        if run.seed == 3:
            next(network.parameters()).data.view(-1)[0] = torch.nan
        return network

    monkeypatch.setattr(train_module, "starting_network", starting)
    runs = [with_seed(tiny_run("learned", epochs=1), seed) for seed in (1, 2, 3, 4)]
    finished, failed = trained([job(run, f"seed{run.seed}") for run in runs])
    assert [record.seed for record in finished] == [1, 4]
    assert len(failed) == 2 and "seed2: the GPU is full" in failed[0] and "became infinite or NaN" in failed[1]
    assert files_of(tmp_path / "seed2") == files_of(tmp_path / "seed3") == set()
    assert (tmp_path / "seed2.failed").read_text() == "the GPU is full"
    assert "became infinite or NaN" in (tmp_path / "seed3.failed").read_text()
    monkeypatch.undo()
    trained([job(run, f"seed{run.seed}") for run in runs])
    assert not [*tmp_path.glob("*.failed")]


def test_a_signal_stops_the_run_under_way_and_the_next_call_goes_on_from_there(train, job, tmp_path, monkeypatch):
    runs = {str(seed): with_seed(tiny_run(), seed) for seed in (1, 2, 3)}
    jobs = [job(run, name) for name, run in runs.items()]
    begun = []
    train_epoch = Trainer.train_epoch

    def sending(self, epoch):
        begun.append((self.seed, epoch))
        if begun[-1] == (2, 2):
            os.kill(os.getpid(), signal.SIGTERM)
        return train_epoch(self, epoch)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "train_epoch", sending)
        with pytest.raises(Stopped, match="after epoch 2 of 4"):
            trained(jobs)
        assert (tmp_path / "2.pt").exists() and not (tmp_path / "3").exists()
        trained(jobs)
    assert begun[6:] == [(2, 3), (2, 4), (3, 1), (3, 2), (3, 3), (3, 4)]
    for name, run in runs.items():
        train(run, f"{name} alone")
        assert_equal_results(tmp_path / f"{name} alone", tmp_path / name)


# At the command line


def line(run: Run, folder: Path, digits_folder: Path, *words: str) -> str:
    return shlex.join(
        [
            "slotmachines",
            *run.arguments,
            "--folder",
            str(folder),
            "--data",
            str(digits_folder),
            "--device",
            "cpu",
            *words,
        ]
    )


def test_a_plan_in_one_process(tmp_path, digits_folder):
    runs = [with_seed(tiny_run("learned", epochs=1), seed) for seed in (1, 2)]
    plan = "\n".join(line(run, tmp_path / str(run.seed), digits_folder) for run in runs)
    for _ in range(2):
        ended = CliRunner().invoke(cli.app, ["train-all", "-"], input=plan, catch_exceptions=False)
        assert [said.rsplit(": ")[-1] for said in ended.stdout.splitlines() if said.startswith("test accuracy")] == [
            str(tmp_path / "1"), str(tmp_path / "2"),
        ]  # fmt: skip


def test_runs_of_a_plan_that_fail_are_named_at_the_end(tmp_path, digits_folder, monkeypatch):
    runs = [with_seed(tiny_run("learned", epochs=1), seed) for seed in (1, 2)]
    (tmp_path / "plan.txt").write_text(
        line(dataclasses.replace(runs[0], dataset="mnist"), tmp_path / "1", digits_folder)
        + "\n\n"
        + line(runs[1], tmp_path / "2", digits_folder)
    )
    with pytest.raises(UserError, match=r"^1 of 2 runs failed: .*1: .*mnist\.safetensors is missing"):
        CliRunner().invoke(cli.app, ["train-all", str(tmp_path / "plan.txt")], catch_exceptions=False)
    assert "metrics.json" in files_of(tmp_path / "2")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("slotmachines train --options 2 --folder run --recipe fast", "unknown recipe 'fast'"),
        ("slotmachines fetch mnist", "is not a line of a plan"),
        (None, "cannot read the plan"),
    ],
)
def test_a_plan_that_is_refused_trains_nothing(tmp_path, digits_folder, content, message):
    plan = tmp_path / "plan.txt"
    if content is not None:
        plan.write_text(line(tiny_run("learned"), tmp_path / "run", digits_folder) + "\n" + content)
    with pytest.raises(UserError, match=message):
        CliRunner().invoke(cli.app, ["train-all", str(plan)], catch_exceptions=False)
    assert not (tmp_path / "run").exists()
