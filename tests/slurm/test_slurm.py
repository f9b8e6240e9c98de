"""A grid on a cluster, through the profile: a training is killed, another one preempted, and the results are those of
the same grid on one machine. `make test-slurm`"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest
from cluster import Cluster, running_cluster

from slotmachines.errors import UserError
from workflow.support.slurm_queue import jobs_that_never_start, require_status

PROJECT = Path(__file__).parents[2]
GRID = """
grid: small
description: three trainings on digits, one of which takes long enough to be preempted
recipe: paper-glorot
seeds: [0]
networks: {lenet: digits, conv2: digits}
settings: {lenet: {epochs: 3}, conv2: {epochs: 7}}
tolerance: {digits: 1.0}
experiments:
  k-sweep: {networks: [lenet], options: [2]}
  selected-weights: {networks: [conv2], options: [2]}
"""
KILLED, PREEMPTED = "lenet-digits/learned", "conv2-digits/greedy"
RUNS = 3
# As a user gives it, but for how long one has to wait for a cluster.
PROFILE = (
    "--workflow-profile", "profiles/slurm", "--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "5",
)  # fmt: skip


class Finished(NamedTuple):
    there: Path
    here: Path
    jobs: list[dict[str, str]]
    gpus: list[tuple[str, str]]


def new_project(folder: Path) -> Path:
    for name in ("src", "workflow", "config", "profiles"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("Snakefile", "environment.yml"):
        shutil.copy(PROJECT / file, folder)
    (folder / "config/small.yaml").write_text(GRID)
    return folder


@contextmanager
def snakemake(
    project: Path, environment: dict[str, str], *arguments: str, niceness: int = 0
) -> Iterator[subprocess.Popen[bytes]]:
    """Snakemake at work, and nothing of it left when the block ends."""
    environment = environment | {
        "PYTHONPATH": f"{project}/src",
        "PATH": f"{Path(sys.executable).parent}:{environment['PATH']}",
        "OMP_NUM_THREADS": "1",
    }
    command = ["nice", "-n", str(niceness), "snakemake", "--configfile", "config/small.yaml", *arguments]
    with (project / "snakemake.log").open("w") as log:
        process = subprocess.Popen(
            command,
            cwd=project,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            # Without its group, what it started locally would go on.
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def wait_for(condition: Callable[[], object], process: subprocess.Popen[bytes], project: Path) -> None:
    deadline = time.monotonic() + 600
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail((project / "snakemake.log").read_text()[-6000:])
        time.sleep(0.1)


def kill_training(project: Path, run: str) -> bool:
    """End the process that trains a run, as the kernel does where memory is short; whether there was one."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_text().split("\0")
            log = str((process / "fd/1").resolve())
            if words[1].endswith("/slotmachines") and run in log and (process / "cwd").resolve() == project:
                os.kill(int(process.name), signal.SIGKILL)
                return True
        except (OSError, IndexError):  # it has ended, or is no program with arguments
            continue
    return False


def preempt(cluster: Cluster) -> None:
    """Somebody more important wants all GPUs for a moment."""
    cluster.call("sbatch", "--partition=urgent", "--gpus=2", "--mem=100", "--output=/dev/null", "--wrap=sleep 1")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("slurm")
    here, there = new_project(folder / "here"), new_project(folder / "there")
    (folder / "cluster").mkdir()
    with (
        running_cluster(folder / "cluster") as cluster,
        snakemake(here, dict(os.environ), "--cores", "1", niceness=5) as local,
        snakemake(there, cluster.environment, *PROFILE) as remote,
    ):
        wait_for(lambda: kill_training(there, KILLED), remote, there)
        wait_for(lambda: "FAILED" in [job["JobState"] for job in cluster.jobs()], remote, there)
        wait_for(lambda: [*there.glob(f"results/small/checkpoints/{PREEMPTED}*/*.pt")], remote, there)
        preempt(cluster)
        # More minutes than the partition allows: SLURM takes the job, and never starts it.
        too_long = cluster.call("sbatch", "--parsable", "--time=180", "--chdir", str(there), "--wrap=true").strip()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SLURM_CONF", cluster.environment["SLURM_CONF"])
            wait_for(lambda: too_long in jobs_that_never_start(there), remote, there)
            require_status("squeue", 40)
            with pytest.raises(UserError, match="keeps no accounts"):
                require_status("sacct", 40)
        cluster.call("scancel", too_long)
        for process, project in ((remote, there), (local, here)):
            assert process.wait(timeout=1200) == 0, (project / "snakemake.log").read_text()[-6000:]
        jobs = [job for job in cluster.jobs() if job["Partition"] == "usual" and job["JobId"] != too_long]
        return Finished(there, here, jobs, cluster.gpus_of_tasks())


def jobs_of(finished: Finished, run: str) -> list[dict[str, str]]:
    return [job for job in finished.jobs if run.replace("/", "_") in job["Comment"]]


def minutes(job: dict[str, str]) -> int:
    hours, minutes, _ = map(int, job["TimeLimit"].split(":"))
    return 60 * hours + minutes


def test_a_training_that_is_killed_is_sent_again_and_asks_for_more(finished: Finished) -> None:
    first, second = jobs_of(finished, KILLED)
    assert (first["JobState"], second["JobState"]) == ("FAILED", "COMPLETED")
    memory = [int(job["MinMemoryNode"].removesuffix("M")) for job in (first, second)]
    assert memory[1] == 2 * memory[0]
    assert minutes(second) == 2 * minutes(first)


def test_a_preempted_training_goes_on_from_its_checkpoint(finished: Finished) -> None:
    (job,) = jobs_of(finished, PREEMPTED)
    assert (job["JobState"], job["Restarts"]) == ("COMPLETED", "1")
    (log,) = finished.there.glob(f"logs/small/train/{PREEMPTED}*/*.log")
    # Of the second start alone: the shell empties the log.
    first_epochs = re.search(r"(\d+)/7 \[00:00<", log.read_text())
    assert first_epochs is not None and 0 < int(first_epochs[1]) < 7


def test_trainings_alone_are_sent_to_the_queue(finished: Finished) -> None:
    assert len(finished.jobs) == RUNS + 1
    assert all(job["Comment"].startswith("rule_train_wildcards_") for job in finished.jobs)


def test_each_training_has_a_gpu_of_its_own(finished: Finished) -> None:
    trainings = {job["JobId"] for job in finished.jobs}
    assert {gpus for job, gpus in finished.gpus if job in trainings} == {"0", "1"}


def test_the_results_are_those_of_one_machine(finished: Finished) -> None:
    changing = ["started", "wall_seconds"]
    runs = [pd.read_csv(project / "results/small/runs.csv") for project in (finished.there, finished.here)]
    assert len(runs[0]) == RUNS
    pd.testing.assert_frame_equal(*(table.drop(columns=changing) for table in runs))
    names = [
        path.relative_to(finished.here)
        for folder in ("results/small/tables", "results/small/runs", "figures/small")
        for path in (finished.here / folder).rglob("*")
        if path.is_file() and path.name != "metrics.json"
    ]
    names += [Path("results/small", name) for name in ("curves.csv.gz", "selected_weights.csv", "summary.json")]
    assert len(names) > 15
    for name in names:
        assert (finished.there / name).read_bytes() == (finished.here / name).read_bytes(), name
    pages = [(project / "results/small/report.html").read_text() for project in (finished.there, finished.here)]
    # All but when the runs were made and how long they took, on which the digest of the page depends, too.
    times = r">[\d.]+ (?:s|min|h)(?: on a processor)?<|>20\d\d-\d\d-\d\d \d\d:\d\d<|name=\"Source\" content=\"\w+\""
    assert len({re.sub(times, "", page) for page in pages}) == 1
