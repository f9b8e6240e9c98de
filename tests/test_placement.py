"""Jobs on a machine with several GPUs, which are simulated here: each takes the one that fewest jobs have taken."""

import subprocess
import sys
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from conftest import tiny_run
from slotmachines import UserError
from slotpipeline.planning.training_job import TrainingJob
from slotpipeline.training import gpu_of_job, jobs
from slotpipeline.training.checkpoint import Progress
from slotpipeline.training.placement import device_of_job, jobs_on, least_used

GPUS = ["GPU-a", "GPU-b", "GPU-c"]


def test_jobs_are_spread_evenly(tmp_path):
    with ExitStack() as jobs:
        taken = [jobs.enter_context(least_used(GPUS, tmp_path / "taken")) for _ in range(7)]
    assert taken == [0, 1, 2, 0, 1, 2, 0]


def test_a_gpu_that_is_given_back_is_taken_next(tmp_path):
    with least_used(GPUS, tmp_path), least_used(GPUS, tmp_path):
        with least_used(GPUS, tmp_path) as third:
            assert third == 2
        with least_used(GPUS, tmp_path) as next_one:
            assert next_one == 2
    with least_used(GPUS, tmp_path) as first:
        assert first == 0


def test_jobs_that_see_different_gpus_count_those_that_both_see(tmp_path):
    with least_used(["GPU-b"], tmp_path) as only, least_used(GPUS[1:], tmp_path) as index:
        assert (only, GPUS[1:][index]) == (0, "GPU-c")


HOLD = """
import sys
from pathlib import Path
from slotpipeline.training.placement import least_used
with least_used(sys.argv[2:], Path(sys.argv[1])) as index:
    print(index, flush=True)
    sys.stdin.read()
"""


def test_a_job_that_is_killed_gives_its_gpu_back(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path), *GPUS]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as job:
        assert job.stdout.readline() == "0\n"
        with least_used(GPUS, tmp_path) as other:
            assert other == 1
        job.kill()
    with least_used(GPUS, tmp_path) as index:
        assert index == 0
    assert len([*tmp_path.iterdir()]) == 2  # the lock of who chooses, and that of this job; no heap of those before


@pytest.fixture
def two_gpus(monkeypatch, tmp_path):
    """As if PyTorch saw two GPUs, and no other job on this machine."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: SimpleNamespace(uuid=f"GPU-{index}"))


def test_jobs_train_on_different_gpus_by_themselves(two_gpus):
    with device_of_job("auto") as first, device_of_job("auto") as second:
        assert (first, second) == ("cuda:0", "cuda:1")


def test_jobs_on_a_gpu_are_counted_while_they_are_there(two_gpus):
    assert jobs_on("cuda:0") is None  # nobody has taken it, nor made the folder
    with device_of_job("auto") as first, device_of_job("auto"):
        assert jobs_on(first) == 1
        with device_of_job("auto") as third:
            assert third == first and jobs_on(first) == 2 and jobs_on("cuda:1") == 1
        assert jobs_on(first) == 1
    assert jobs_on("cuda:0") is None and jobs_on("cpu") is None


def test_a_run_that_shares_a_gpu_records_its_share_of_the_time():
    alone, shared, unknown = (Progress("a", "", 0.0, [], {}, share_seconds=0.0) for _ in range(3))
    for count in (1, 1):
        alone.spend(3.0, count)
    for count in (1, 3):
        shared.spend(3.0, count)
    for count in (1, None, 1):
        unknown.spend(3.0, count)
    assert [(one.seconds, one.share_seconds) for one in (alone, shared, unknown)] == [(6, 6), (6, 4), (9, None)]
    older = Progress("a", "", 5.0, [], {})  # from a checkpoint that does not say
    older.spend(3.0, 1)
    assert (older.seconds, older.share_seconds) == (8, None)


@pytest.mark.parametrize(("name", "share"), [("auto", True), ("cpu", False)])
def test_only_a_job_that_has_taken_its_gpu_counts_the_others(monkeypatch, digits_folder, tmp_path, name, share):
    monkeypatch.setattr(jobs, "device_of_job", lambda name: nullcontext("cpu"))
    monkeypatch.setattr(jobs, "jobs_on", lambda device: 2)
    run = tiny_run(epochs=1, schedule_epochs=[])
    record = jobs.train_job(TrainingJob(run, tmp_path / "run", tmp_path / "a.pt", digits_folder, device=name))
    assert record.share_seconds == (pytest.approx(record.wall_seconds / 2, abs=1e-3) if share else None)


def test_a_device_that_is_named_is_left_as_it_is(two_gpus):
    with device_of_job("cuda:1") as named, device_of_job("cpu") as processor, device_of_job("auto") as first:
        assert (named, processor, first) == ("cuda:1", "cpu", "cuda:0")


@pytest.fixture
def no_gpu(monkeypatch, tmp_path):
    """As if PyTorch saw no GPU, on a machine without one, in a job that was given none."""
    for name in ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    for name in ("SLURM_JOB_GPUS", "SLURM_STEP_GPUS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(gpu_of_job, "_INSTALLED", (tmp_path / "gpus",))


@pytest.mark.parametrize("hidden", [None, "", "-1", "NoDevFiles"])
def test_without_a_gpu_a_job_runs_on_the_processor(no_gpu, monkeypatch, capsys, hidden):
    if hidden is not None:  # as SLURM does for a job that asked for none, on a node with GPUs
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    with device_of_job("auto") as device:
        assert device == "cpu"
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("name", "value"), [("SLURM_JOB_GPUS", "3"), ("CUDA_VISIBLE_DEVICES", "0,1"), ("ROCR_VISIBLE_DEVICES", "GPU-1a")]
)
def test_a_job_does_not_hold_a_gpu_that_it_cannot_use(no_gpu, monkeypatch, digits_folder, tmp_path, name, value):
    monkeypatch.setenv(name, value)
    job = TrainingJob(tiny_run(epochs=1, schedule_epochs=[]), tmp_path / "run", tmp_path / "a.pt", digits_folder)
    with pytest.raises(UserError, match=rf"{name}={value}.* PyTorch cannot use"):
        jobs.train_job(job)
    assert not (tmp_path / "run").exists()
    jobs.train_job(replace(job, device="cpu"))  # whoever names the processor gets it
    assert (tmp_path / "run" / "metrics.json").is_file()


def test_a_gpu_of_the_machine_that_stays_unused_is_said(no_gpu, capsys, tmp_path):
    (tmp_path / "gpus" / "0000:65:00.0").mkdir(parents=True)
    with device_of_job("auto") as device:
        assert device == "cpu"
    assert "training on the processor" in capsys.readouterr().err


@pytest.mark.parametrize(("identity", "said"), [("0", False), ("51974", True)])
def test_a_processor_among_the_nodes_of_amd_is_no_gpu(no_gpu, capsys, tmp_path, identity, said):
    (tmp_path / "gpus" / "0").mkdir(parents=True)
    (tmp_path / "gpus" / "0" / "gpu_id").write_text(f"{identity}\n")
    with device_of_job("auto"):
        assert bool(capsys.readouterr().err) == said


def test_a_folder_of_somebody_else_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write to .*: .*; set TMPDIR to a folder you may write to"):
        least_used(GPUS, tmp_path / "file/below").__enter__()
