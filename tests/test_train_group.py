"""Several runs of a plan trained at the same time: each to its own files, with the results that it has alone."""

import json
import os
import signal

import pytest
import torch

from conftest import files_of, tiny_run
from slotpipeline.planning.engine import Engine
from slotpipeline.planning.training_job import TrainingJob
from slotpipeline.runs.run import with_seed
from slotpipeline.stopping import Stopped
from slotpipeline.training import train as train_module
from slotpipeline.training.jobs import train_all
from slotpipeline.training.loop import Trainer
from slotpipeline.training.start import starting_network
from slotpipeline.training.train_group import groups

STACKED, BRANCHES = Engine(stacked=True), Engine(branches=True)


@pytest.fixture
def job(tmp_path, digits_folder):
    def call(run, name, engine=STACKED, **more):
        return TrainingJob(
            run, tmp_path / name, tmp_path / f"{name}.pt", digits_folder, device="cpu", engine=engine, **more
        )

    return call


def trained(jobs):
    finished = []
    failed = train_all(jobs, lambda job, record: finished.append(record))
    return finished, failed


def runs_of(count, **changes):
    return [with_seed(tiny_run(epochs=2, schedule_epochs=[], **changes), seed) for seed in range(1, count + 1)]


def test_neighbours_that_differ_in_seed_and_k_only_are_a_stack(job):
    greedy, learned = runs_of(2), tiny_run("learned")
    jobs = [job(greedy[0], "a"), job(greedy[1], "b"), job(learned, "c"), job(greedy[0], "d", engine=Engine())]
    assert [[one.folder.name for one in group] for group in groups(jobs)] == [["a", "b"], ["c"], ["d"]]
    many = [job(run, str(run.seed)) for run in runs_of(20)]
    assert [len(group) for group in groups(many)] == [16, 4]
    plain = [job(run, str(run.seed), engine=Engine()) for run in runs_of(3)]
    assert [len(group) for group in groups(plain)] == [1, 1, 1]


def test_runs_of_a_stack_have_the_results_of_runs_alone_but_for_rounding(job, train, tmp_path):
    runs = runs_of(3)
    finished, failed = trained([job(run, f"seed{run.seed}", keep_epochs=(1,)) for run in runs])
    assert failed == [] and [record.identity for record in finished] == [run.identity for run in runs]
    for run, record in zip(runs, finished, strict=True):
        alone = train(run, f"alone{run.seed}", keep_epochs=(1,))
        assert files_of(tmp_path / f"seed{run.seed}") == files_of(tmp_path / f"alone{run.seed}")
        assert record.test_accuracy == pytest.approx(alone.test_accuracy, abs=1)
        assert json.loads((tmp_path / f"seed{run.seed}/metrics.json").read_text())["engine"] == "stacked"
        assert not (tmp_path / f"seed{run.seed}.pt").exists()


def test_a_run_that_fails_leaves_the_stack(job, tmp_path, monkeypatch):
    def starting(run, *arguments):
        network = starting_network(run, *arguments)
        if run.seed == 2:
            next(network.parameters()).data.view(-1)[0] = torch.nan
        return network

    monkeypatch.setattr(train_module, "starting_network", starting)
    jobs = [job(run, f"seed{run.seed}") for run in runs_of(4)]
    jobs[3].checkpoint.write_bytes(b"no checkpoint")
    finished, failed = trained(jobs)
    assert [record.seed for record in finished] == [1, 3]
    assert len(failed) == 2 and any("became infinite or NaN" in line for line in failed)
    assert any("is damaged" in line for line in failed)
    assert "became infinite or NaN" in (tmp_path / "seed2.failed").read_text()


def test_a_stopped_stack_goes_on_where_it_was(job, tmp_path, monkeypatch):
    jobs = [job(run, f"seed{run.seed}") for run in runs_of(2)]
    begun = []
    batches = Trainer.batches

    def sending(self, epoch):
        begun.append((self.seed, epoch))
        if begun == [(1, 1), (2, 1)]:
            os.kill(os.getpid(), signal.SIGTERM)
        return batches(self, epoch)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "batches", sending)
        patch.setattr(train_module.UnfinishedRun, "is_saved", property(lambda self: self._saved_epochs == 1))
        with pytest.raises(Stopped, match="after epoch 1 of 2"):
            trained(jobs)
    monkeypatch.setattr(Trainer, "batches", sending)
    finished, failed = trained(jobs)
    assert failed == [] and [record.seed for record in finished] == [1, 2]
    assert begun == [(1, 1), (2, 1), (1, 2), (2, 2)]
    before = [(one.folder / "metrics.json").read_bytes() for one in jobs]
    assert [record.seed for record in trained(jobs)[0]] == [1, 2]  # finished runs stay as they are
    assert [(one.folder / "metrics.json").read_bytes() for one in jobs] == before


def test_what_cannot_be_stacked_says_so(job):
    runs = [tiny_run("probabilistic"), tiny_run("edge_popup"), tiny_run(network="conv2")]
    _, failed = trained([job(run, run.method + run.network) for run in runs])
    assert len(failed) == 3 and all(line.endswith("leave out --engine stacked") for line in failed)
    assert "only greedy and learned networks can be stacked, not probabilistic ones" in failed[0]
    assert "such as lenet" in failed[2]


def test_runs_that_are_branches_have_the_results_of_runs_alone(job, train, tmp_path):
    runs = runs_of(2) + runs_of(1, method="probabilistic") + runs_of(1, method="edge_popup")
    jobs = [job(run, f"{run.method}{run.seed}", engine=BRANCHES) for run in runs]
    assert [len(group) for group in groups(jobs)] == [2, 1, 1]
    finished, failed = trained(jobs)
    assert len(failed) == 1 and failed[0].endswith("with others; leave out --engine branches")
    for run in runs[:3]:
        name = f"{run.method}{run.seed}"
        train(run, f"{name} alone")
        curves = [(tmp_path / folder / "curve.csv").read_bytes() for folder in (name, f"{name} alone")]
        assert curves[0] == curves[1]
    assert [record.engine for record in finished] == ["branches"] * 3
