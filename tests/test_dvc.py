"""Results that one clone shares by DVC and another one gets: nothing is trained twice, and changes can be seen."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from test_workflow import PROJECT, jobs, new_project

# Under the name of a grid that has a stage of its own in dvc.yaml.
GRID = """
grid: mnist
description: two epochs on digits
recipe: paper-glorot
seeds: [0]
networks: {lenet: digits}
settings: {lenet: {epochs: 2, schedule: constant, schedule_epochs: []}}
tolerance: {digits: 1.0}
experiments:
  k-sweep: {networks: [lenet], options: [2]}
"""


def call(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    who = {f"GIT_{role}_{what}": "someone" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environment = os.environ | who | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    environment |= {"PYTHONPATH": str(project / "src"), "DVC_NO_ANALYTICS": "1", "OMP_NUM_THREADS": "1"}
    answer = subprocess.run(words, cwd=project, env=environment, text=True, capture_output=True, timeout=600)
    assert answer.returncode == 0, (words, answer.stdout[-2000:], answer.stderr[-4000:])
    return answer


def workflow(project: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return call(project, "snakemake", "--cores", "2", *more, "--configfile", "config/mnist.yaml")


def share(project: Path, message: str) -> None:
    """As the README says."""
    call(project, "dvc", "add", *(str(path) for path in runs_of(project)))
    call(project, "dvc", "push", "--recursive", "results/mnist/runs")
    call(project, "git", "add", "--all")
    call(project, "git", "commit", "--quiet", "--message", message)


def runs_of(project: Path) -> list[Path]:
    """The folders of the runs, relative to the project."""
    return sorted(path.relative_to(project) for path in project.glob("results/mnist/runs/*/*/*") if path.is_dir())


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose runs are in a remote; and then one more seed, in a second commit."""
    folder = tmp_path_factory.mktemp("dvc")
    project = new_project(folder / "project")
    for name in ("dvc.yaml", ".gitignore"):
        shutil.copy(PROJECT / name, project)
    (project / "config/mnist.yaml").write_text(GRID)
    call(project, "git", "init", "--quiet")
    call(project, "dvc", "init", "--quiet")
    call(project, "dvc", "remote", "add", "--default", "store", str(folder / "store"))
    for seeds in ("[0]", "[0, 1]"):
        (project / "config/mnist.yaml").write_text(GRID.replace("seeds: [0]", f"seeds: {seeds}"))
        workflow(project)
        share(project, f"seeds {seeds}")
    return project


@pytest.fixture(scope="module")
def clone(shared: Path) -> Path:
    """A fresh clone with what the remote holds: all of its files are newer than when they were made."""
    call(shared.parent, "git", "clone", "--quiet", str(shared), "clone")
    call(shared.parent / "clone", "dvc", "pull", "--recursive", "results/mnist/runs")
    return shared.parent / "clone"


def test_git_holds_no_run_and_dvc_brings_them_all(shared: Path, clone: Path) -> None:
    tracked = [
        name for name in call(shared, "git", "ls-files").stdout.split() if name.startswith("results/mnist/runs/")
    ]
    assert len(tracked) == len(runs_of(shared)) == 4 and all(name.endswith(".dvc") for name in tracked)
    files = [path for folder in runs_of(shared) for path in (shared / folder).rglob("*") if path.is_file()]
    assert len(files) > 8
    for path in files:
        assert (clone / path.relative_to(shared)).read_bytes() == path.read_bytes()


def test_after_a_pull_nothing_is_trained_and_no_result_changes(shared: Path, clone: Path) -> None:
    planned = jobs(workflow(clone, "-n"))
    assert "train" not in planned and "fetch" not in planned
    workflow(clone)
    assert call(clone, "git", "status", "--porcelain").stdout == ""
    assert "Nothing to be done" in (again := workflow(clone, "-n")).stdout + again.stderr


def test_the_runs_of_two_machines_join(shared: Path) -> None:
    """One has neither data nor results, only a run that it brought; both share, and both have all runs."""
    first, second = (shared.parent / name for name in ("first", "second"))
    for place, seed in ((first, 7), (second, 8)):
        call(shared.parent, "git", "clone", "--quiet", str(shared), place.name)
        own = place / f"results/mnist/runs/lenet-digits/learned/seed{seed}-0123456{seed}"
        own.mkdir(parents=True)
        (own / "metrics.json").write_text(f'{{"seed": {seed}}}')
        call(place, "dvc", "pull", "--recursive", "results/mnist/runs")
        share(place, f"seed {seed}")
    for place, other in ((first, second), (second, first)):
        call(place, "git", "pull", "--quiet", "--no-rebase", "--no-edit", str(other), "HEAD")
        call(place, "dvc", "pull", "--recursive", "results/mnist/runs")
    assert runs_of(first) == runs_of(second) and len(runs_of(first)) == len(runs_of(shared)) + 2
    for folder in runs_of(first):
        assert (first / folder / "metrics.json").read_text() == (second / folder / "metrics.json").read_text()


def test_metrics_and_plots_show_what_a_change_did(shared: Path) -> None:
    (changes,) = json.loads(call(shared, "dvc", "metrics", "diff", "HEAD~1", "--json").stdout).values()
    change = changes["accuracy.k-sweep.lenet-greedy-2"]
    assert change["old"] != change["new"] and changes.keys() == {
        "accuracy.k-sweep.lenet-greedy-2",
        "accuracy.k-sweep.lenet-learned",
    }
    call(shared, "dvc", "plots", "diff", "HEAD~1", "--out", "plots")
    pictures = [path for path in (shared / "plots").rglob("*.png") if "k-sweep" in path.name]
    assert (shared / "plots/index.html").is_file() and len(pictures) == 2  # before and now
