"""What the profile of a shared cluster asks SLURM for, and that its array of jobs trains. `make test-slurm`"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from cluster import running_cluster
from test_slurm import new_project, snakemake, wait_for

GRID = """
grid: small
description: six short trainings on digits
recipe: paper-glorot
seeds: [0]
networks: {lenet: digits, conv2: digits, conv4: digits}
settings: {lenet: {epochs: 1}, conv2: {epochs: 1}, conv4: {epochs: 1}}
tolerance: {digits: 1.0}
experiments:
  k-sweep: {networks: [lenet, conv2, conv4], options: [2]}
"""
PROFILE = ("--workflow-profile", "profiles/shared-cluster", "--latency-wait", "5")


# Without accounting, SLURM takes a QoS and forgets it.
SBATCH = """\
#!/bin/sh
echo "$@" >> {folder}/submitted.txt
exec {sbatch} "$@"
"""


def noted(environment: dict[str, str], folder: Path) -> dict[str, str]:
    """The environment with an sbatch that notes what it is given."""
    (folder / "bin").mkdir()
    program = folder / "bin/sbatch"
    program.write_text(SBATCH.format(folder=folder, sbatch=shutil.which("sbatch")))
    program.chmod(0o755)
    return environment | {"PATH": f"{folder}/bin:{environment['PATH']}"}


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """The jobs of a small grid that ran by the profile of a shared cluster."""
    folder = tmp_path_factory.mktemp("site")
    project = new_project(folder / "project")
    (project / "config/small.yaml").write_text(GRID)
    (folder / "cluster").mkdir()
    more = ("--slurm-init-seconds-before-status-checks", "1", "results/small/runs.csv")
    with (
        running_cluster(folder / "cluster") as cluster,
        snakemake(project, noted(cluster.environment, folder), *PROFILE, *more) as process,
    ):
        wait_for(lambda: len(cluster.jobs()) >= 2, process, project)
        submitted = (folder / "submitted.txt").read_text()
        assert "--qos=normal" in submitted or "--qos normal" in submitted, submitted[:2000]
        assert process.wait(timeout=1200) == 0, (project / "snakemake.log").read_text()[-6000:]
        assert len(pd.read_csv(project / "results/small/runs.csv")) == 6
        return cluster.jobs()


def test_what_the_profile_says_reaches_the_queue(jobs: list[dict[str, str]]) -> None:
    for job in jobs:
        assert (job["Account"], job["Partition"], job["Requeue"]) == ("project", "usual", "1")
        assert job["JobName"].startswith("slotmachines")
        assert re.fullmatch(r"0[0-2]:\d\d:00", job["TimeLimit"])  # not above the limit
        assert "/logs/slurm/" in job["StdOut"]


def test_the_runs_of_a_network_share_a_job_and_the_jobs_an_array(jobs: list[dict[str, str]]) -> None:
    """The first job goes alone: if SLURM refuses it, no other is sent."""
    assert len(jobs) == 3
    alone, *array = sorted(job.get("ArrayJobId", "") for job in jobs)
    assert alone == "" and array[0] and len(set(array)) == 1
    assert all(job["JobState"] == "COMPLETED" for job in jobs)
