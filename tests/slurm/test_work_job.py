"""A plan that one job of SLURM trains without Snakemake: it is stopped, and submitted again. `make test-slurm`"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from cluster import Cluster, running_cluster
from test_slurm import new_project
from typer.testing import CliRunner

from slotpipeline.cli import app

BATCH = "profiles/slurm/work.sbatch"
RUN = (
    "slotmachines train --network lenet --dataset digits --method greedy --options 2 --recipe paper-glorot --data data"
)
EPOCHS = (400, 1, 1)  # of each run; the job is stopped within the first


def wait_for(condition: Callable[[], object], what: str, log: Callable[[], str]) -> None:
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline, f"{what} does not come:\n{log()}"
        time.sleep(0.2)


def submit(cluster: Cluster, project: Path) -> Callable[[], str]:
    """Submit the plan; the state of the job, whenever it is asked for."""
    submitted = subprocess.run(
        ["sbatch", "--parsable", "--time=10", BATCH, "plan.txt"], cwd=project, text=True, capture_output=True,
        env=cluster.environment | {"PYTHON": sys.executable, "PYTHONPATH": f"{project}/src"}, check=True,
    )  # fmt: skip
    job = submitted.stdout.strip()
    return lambda: next(one["JobState"] for one in cluster.jobs() if one["JobId"] == job)


def test_a_job_that_slurm_stops_continues_when_it_is_submitted_again(tmp_path: Path) -> None:
    project = new_project(tmp_path / "project")
    fetched = CliRunner().invoke(app, ["fetch", "digits", "--data", str(project / "data")])
    assert fetched.exit_code == 0, fetched.output
    runs = project / "results/small/runs"
    lines = []
    for seed, epochs in enumerate(EPOCHS):
        place = f"results/small/runs/seed{seed}"
        lines.append(f"{RUN} --data data --seed {seed} --set epochs={epochs} --folder {place} --checkpoint {place}.pt")
    (project / "plan.txt").write_text("\n".join(lines))
    (tmp_path / "cluster").mkdir()

    def printed() -> str:
        logs = [*project.glob("slotmachines-*.txt"), *project.glob("logs/small/train/*.log")]
        return "\n".join(f"{log}:\n{log.read_text()[-3000:]}" for log in logs)

    def finished() -> list[bool]:
        return [(runs / f"seed{seed}/metrics.json").is_file() for seed in range(len(EPOCHS))]

    with running_cluster(tmp_path / "cluster") as cluster:
        state = submit(cluster, project)
        wait_for(lambda: finished()[1], "a finished run", printed)
        # As five minutes before the time of the job is over.
        cluster.call("scancel", "--batch", "--signal=TERM", cluster.jobs()[-1]["JobId"])
        wait_for(lambda: state() not in ("RUNNING", "COMPLETING"), "the end of the job", printed)
        assert not finished()[0] and (runs / "seed0.pt").is_file() and "Traceback" not in printed(), printed()
        state = submit(cluster, project)
        wait_for(lambda: state() == "COMPLETED", "the end of the second job", printed)
        assert [gpu for _, gpu in cluster.gpus_of_tasks()] == ["0", "0"]  # each job got one GPU
    assert all(finished()), printed()
