"""The real workflow on a tiny grid, from an empty folder to the report, as a user calls it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

PROJECT = Path(__file__).parents[1]
GRID = """
grid: tiny
description: two epochs on digits
recipe: paper-glorot
seeds: [0]
networks: {lenet: digits}
settings: {lenet: {epochs: 2}}
tolerance: {digits: 1.0}
experiments:
  random-vs-selected: {networks: [lenet], options: [2]}
  k-sweep: {networks: [lenet], options: [2]}
  selection: {networks: [lenet], options: [2]}
  finetune: {networks: [lenet], options: [2], start_epoch: 1}
"""


def snakemake(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "PYTHONPATH": str(project / "src"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
    }
    command = ["snakemake", "--cores", "2", "--configfile", "config/tiny.yaml", *arguments]
    return subprocess.run(command, cwd=project, env=environment, text=True, capture_output=True, timeout=900)


def jobs(answer: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """The table of jobs that Snakemake prints: rule -> how many."""
    table = answer.stdout + answer.stderr
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", table, flags=re.MULTILINE)}


@pytest.fixture(scope="module")
def empty_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = tmp_path_factory.mktemp("project")
    for folder in ("src", "workflow", "config", "profiles"):
        shutil.copytree(PROJECT / folder, project / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("Snakefile", "environment.yml"):
        shutil.copy(PROJECT / file, project)
    (project / "config" / "tiny.yaml").write_text(GRID)
    return project


@pytest.fixture(scope="module")
def finished(empty_project: Path) -> Path:
    answer = snakemake(empty_project)
    assert answer.returncode == 0, answer.stderr[-4000:]
    assert "grid tiny: 5 of 5 runs to do, about 0.0 hours" in answer.stderr
    return empty_project


def test_every_run_is_in_the_table_with_its_provenance(finished: Path) -> None:
    runs = pd.read_csv(finished / "results/tiny/runs.csv", dtype={"identity": str})
    cells = {
        (run.method, run.options, run.variant, run.epochs)
        for run in runs.fillna({"variant": "", "options": 0}).itertuples()
    }
    assert len(runs) == 5
    assert cells == {
        ("random", 0, "", 0),
        ("greedy", 2, "", 2),
        ("greedy", 2, "finetuned", 2),
        ("learned", 0, "", 2),
        ("probabilistic", 2, "", 2),
    }
    assert set(runs["recipe"]) == {"paper-glorot"}
    assert runs["test_accuracy"].between(0, 100).all()
    for column in ("commit", "device", "processor", "threads", "python", "torch", "started", "identity"):
        assert runs[column].notna().all(), column
    curves = pd.read_csv(finished / "results/tiny/curves.csv.gz", dtype={"identity": str})
    assert sorted(curves.groupby("identity").size()) == [1, 2, 2, 2]  # the finetuned network's second epoch only


def test_the_report_is_one_page_with_all_pictures(finished: Path) -> None:
    page = (finished / "results/tiny/report.html").read_text()
    assert page.count("data:image/png;base64,") == 5
    assert not re.search(r"""(src|href)=["']https?:|url\(["']?https?:""", page)
    for experiment in ("random-vs-selected", "k-sweep", "selection", "finetune"):
        assert (finished / f"figures/tiny/{experiment}.png").read_bytes().startswith(b"\x89PNG")
        assert "not comparable" in (finished / f"results/tiny/tables/{experiment}.md").read_text() or (
            experiment in ("finetune", "random-vs-selected")
        )


def test_a_second_call_has_nothing_to_do(finished: Path) -> None:
    answer = snakemake(finished)
    assert answer.returncode == 0
    assert "Nothing to be done" in answer.stderr


def test_an_edited_library_retrains_nothing(finished: Path) -> None:
    with (finished / "src/slotmachines/slots.py").open("a") as source:
        source.write("# A remark.\n")
    (finished / "data/digits.safetensors").touch()
    assert "train" not in jobs(snakemake(finished, "-n"))


def test_more_seeds_train_only_themselves(finished: Path) -> None:
    config = finished / "config/tiny.yaml"
    config.write_text(GRID.replace("seeds: [0]", "seeds: [0, 1]"))
    data, away = finished / "data/digits.safetensors", finished / "digits.away"
    data.rename(away)  # as on a machine to which only the finished runs were brought
    answer = snakemake(finished, "-n")
    away.rename(data)
    config.write_text(GRID)
    assert jobs(answer)["train"] == 5
    assert jobs(answer)["fetch"] == 1
    assert "seed0-" not in "".join(re.findall(r"slotmachines (?:train|finetune) .*", answer.stdout + answer.stderr))


def test_tables_and_figures_come_from_the_small_files_alone(finished: Path) -> None:
    places = [finished / "results/tiny/tables/k-sweep.csv", finished / "figures/tiny/k-sweep.png"]
    before = [place.read_bytes() for place in places]
    moved = finished / "away"
    shutil.move(finished / "results/tiny/runs", moved)
    answer = snakemake(
        finished, "--forceall", "--allowed-rules", "all", "config", "tables", "figure", "curves", "report"
    )
    shutil.move(moved, finished / "results/tiny/runs")
    assert answer.returncode == 0, answer.stderr[-4000:]
    assert "train" not in jobs(answer)
    assert [place.read_bytes() for place in places] == before


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("options: [2]", "options: [0]", "error: config: experiments."),
        ("paper-glorot", "papr", "error: unknown recipe 'papr': use one of code, paper, paper-glorot"),
        ("epochs: 2", "epoch: 2", "error: the changed settings: unknown setting epoch"),
    ],
)
def test_a_bad_config_ends_in_one_line(empty_project: Path, old: str, new: str, complaint: str) -> None:
    good = empty_project / "config/tiny.yaml"
    good.write_text(GRID.replace(old, new))
    answer = snakemake(empty_project, "-n")
    good.write_text(GRID)
    assert answer.returncode != 0
    lines = [line for line in answer.stderr.splitlines() if not line.startswith("Using workflow specific profile")]
    assert len(lines) == 1 and lines[0].startswith(complaint), answer.stderr
