"""The real workflow on a tiny grid, from an empty folder to the report, as a user calls it.

Longer than others: the grid is trained once, and all tests look at what it left, in order.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from base64 import urlsafe_b64encode
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from workflow.support.dead_locks import take_over_locks, this_process

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).parents[1]
GRID = """
grid: tiny
description: three epochs on digits
recipe: paper-glorot
seeds: [0]
networks: {lenet: digits}
settings: {lenet: {epochs: 3}}
tolerance: {digits: 1.0}
experiments:
  random-vs-selected: {networks: [lenet], options: [2]}
  k-sweep: {networks: [lenet], options: [2]}
  selection: {networks: [lenet], options: [2]}
  finetune: {networks: [lenet], options: [2], start_epoch: 2}
  finetune-checkpoints: {networks: [lenet], options: [2], every: 1}
  sharing: {networks: [lenet], options: [2]}
  selected-weights: {networks: [lenet], options: [2]}
  churn: {networks: [lenet], options: [2]}
"""
EXPERIMENTS = (
    "random-vs-selected", "k-sweep", "selection", "finetune", "finetune-checkpoints", "sharing", "selected-weights",
    "churn",
)  # fmt: skip
RUNS = 8  # random, greedy, learned, probabilistic, finetuned from two epochs, shared in a layer and in the network
SMALL = ("runs.csv", "curves.csv.gz", "selected_weights.csv")


def snakemake(project: Path, *arguments: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Call Snakemake; programs in `path` come before others of their name."""
    programs = [*([] if path is None else [str(path)]), str(Path(sys.executable).parent), os.environ["PATH"]]
    environment = os.environ | {
        "PYTHONPATH": str(project / "src"),
        "PATH": ":".join(programs),
        "OMP_NUM_THREADS": "1",
    }
    grid = () if "--configfile" in arguments else ("--configfile", "config/tiny.yaml")
    command = ["snakemake", "--cores", "2", *arguments, *grid]
    return subprocess.run(command, cwd=project, env=environment, text=True, capture_output=True, timeout=900)


def jobs(answer: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """The table of jobs that Snakemake prints: rule -> how many."""
    table = answer.stdout + answer.stderr
    return {rule: int(count) for rule, count in re.findall(r"^([\w-]+) +(\d+)$", table, flags=re.MULTILINE)}


def trained(answer: subprocess.CompletedProcess[str]) -> list[str]:
    """The commands of the training jobs."""
    return re.findall(r"slotmachines (?:train|finetune) .*", answer.stdout + answer.stderr)


def with_grid(project: Path, grid: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A trial call with another config."""
    config = project / "config/tiny.yaml"
    before = config.read_text()
    config.write_text(grid)
    answer = snakemake(project, "-n", *arguments)
    config.write_text(before)
    return answer


def new_project(folder: Path) -> Path:
    for name in ("src", "workflow", "config", "profiles"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("Snakefile", "environment.yml"):
        shutil.copy(PROJECT / file, folder)
    (folder / "config" / "tiny.yaml").write_text(GRID)
    return folder


@pytest.fixture(scope="module")
def empty_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def swept(empty_project: Path) -> Path:
    """After a call for one experiment by its name."""
    answer = snakemake(empty_project, "k-sweep")
    assert answer.returncode == 0, answer.stderr[-4000:]
    assert "grid tiny: 2 of 2 runs to do, less than a minute" in answer.stderr
    return empty_project


@pytest.fixture(scope="module")
def after_sweep(swept: Path) -> dict[str, str]:
    """What a call for one experiment leaves, and what a second such call says."""
    runs = pd.read_csv(swept / "results/tiny/runs.csv")
    files = sorted(
        str(path.relative_to(swept)) for folder in ("figures", "results") for path in swept.glob(f"{folder}/tiny/*")
    )
    again = snakemake(swept, "k-sweep")
    return {"methods": " ".join(runs["method"]), "files": " ".join(files), "again": again.stderr}


@pytest.fixture(scope="module")
def finished(swept: Path, after_sweep: dict[str, str]) -> Path:
    """After a call for everything, with several runs in each job."""
    answer = snakemake(swept, "--config", "runs_per_job=3")
    assert answer.returncode == 0, answer.stderr[-4000:]
    assert f"grid tiny: {RUNS - 2} of {RUNS} runs to do, less than a minute" in answer.stderr
    assert jobs(answer)["train"] == (RUNS - 2) / 3
    return swept


def git(folder: Path, *words: str | Path) -> None:
    names = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, env=os.environ | names)


@pytest.fixture
def clone(finished: Path, tmp_path: Path) -> Path:
    """A clone of the committed grid: no runs, no vector figures, no notes of Snakemake, and arbitrary times."""
    origin, folder = tmp_path / "origin", tmp_path / "clone"
    shutil.copytree(finished, origin, ignore=shutil.ignore_patterns(".snakemake"), symlinks=True)
    shutil.copy(PROJECT / ".gitignore", origin)
    git(origin, "init", "--quiet")
    git(origin, "add", ".")
    git(origin, "commit", "--quiet", "--message", "a grid")
    git(tmp_path, "clone", "--quiet", origin, folder)
    assert not list(folder.rglob("*.svg")) and not (folder / "results/tiny/runs").exists()
    now = time.time()
    for place, path in enumerate(sorted(folder.rglob("*"), reverse=True)):
        if path.is_file():
            os.utime(path, (now - 10 - 7919 * place % 1009,) * 2)
    return folder


def times(project: Path) -> dict[Path, int]:
    return {
        path: path.stat().st_mtime_ns
        for path in project.rglob("*")
        if path.is_file() and not {".git", ".snakemake", "__pycache__"} & set(path.parts)
    }


def planned_files(project: Path) -> set[str]:
    """The tables, figures and pages that Snakemake would make, as `slotmachines status` names them."""
    answer = snakemake(project, "-n")
    made = re.findall(r"^    output: (.*)$", answer.stdout + answer.stderr, flags=re.MULTILINE)
    assert answer.returncode == 0 and (made or "Nothing to be done" in answer.stdout + answer.stderr)
    return {one.partition(",")[0] for one in made}


def files_out_of_date(project: Path) -> set[str]:
    """The same as `slotmachines status` tells it."""
    command = [sys.executable, "-m", "slotmachines", "status", "config/tiny.yaml", "--json"]
    environment = os.environ | {"PYTHONPATH": str(project / "src")}
    answer = subprocess.run(command, cwd=project, env=environment, text=True, capture_output=True, check=True)
    found = json.loads(answer.stdout)
    kinds = {".png": "figures/tiny", ".html": "results/tiny", ".json": "results/tiny"}
    states = {f"{kinds[Path(name).suffix]}/{name}": state for name, state in found["files"].items()}
    for one in found["experiments"]:
        states[f"results/tiny/tables/{one['experiment']}.csv"] = one["table"]
        states[f"figures/tiny/{one['experiment']}.png"] = one["figure"]
    return {name for name, state in states.items() if state != "current"}


def test_in_a_fresh_clone_of_a_current_grid_nothing_is_to_be_done_and_no_time_is_set(clone: Path) -> None:
    before = times(clone)
    assert planned_files(clone) == files_out_of_date(clone) == set()
    assert times(clone) == before
    (clone / "results/tiny/summary.json").touch()
    assert planned_files(clone) == set()
    (clone / "results/tiny/tables/churn.md").write_text("another table")
    os.utime(clone / "results/tiny/tables/churn.md", (1_600_000_000,) * 2)
    assert planned_files(clone) == files_out_of_date(clone) == {"results/tiny/tables/churn.csv"}
    assert snakemake(clone).returncode == 0
    assert planned_files(clone) == files_out_of_date(clone) == set()


def test_in_a_fresh_clone_edited_code_makes_what_it_draws_stale_whether_committed_or_not(clone: Path) -> None:
    assert planned_files(clone) == set()
    drawn = {"figures/tiny/churn.png", "results/tiny/report.html"}
    (clone / "results/tiny/summary.json").touch()
    with (clone / "workflow/figures/churn.py").open("a") as script:
        script.write("# A remark.\n")
    assert planned_files(clone) - drawn == {*svg_made_on_the_way(clone)}
    assert files_out_of_date(clone) == drawn
    git(clone, "commit", "--quiet", "--all", "--message", "a remark")
    os.utime(clone / "workflow/figures/churn.py", (1_600_000_000,) * 2)
    assert files_out_of_date(clone) == drawn <= planned_files(clone)
    assert snakemake(clone).returncode == 0
    assert planned_files(clone) == files_out_of_date(clone) == set()
    with (clone / "src/slotpipeline/reporting/colours.py").open("a") as code:
        code.write("# A remark.\n")
    stale = {f"figures/tiny/{path.name}" for path in (clone / "figures/tiny").glob("*.png")}
    assert planned_files(clone) == files_out_of_date(clone) == {*stale, "results/tiny/report.html"}
    git(clone, "checkout", "--quiet", "src")
    assert planned_files(clone) == files_out_of_date(clone) == set()


def svg_made_on_the_way(clone: Path) -> set[str]:
    """The other figures: the page holds their vector files, which git does not have."""
    return {f"figures/tiny/{path.name}" for path in (clone / "figures/tiny").glob("*.png") if path.stem != "churn"}


def test_snakemakes_own_report_holds_the_figures_tables_and_verdicts(finished: Path, tmp_path: Path) -> None:
    answer = snakemake(finished, "--report", str(tmp_path / "report.zip"))
    assert answer.returncode == 0, answer.stderr[-3000:]
    with zipfile.ZipFile(tmp_path / "report.zip") as report:
        names = {Path(name).name for name in report.namelist()}
    assert {"report.html", "summary.json", "churn.csv", "churn.png"} <= names


def test_an_experiment_that_is_asked_for_by_name_trains_its_runs_alone(after_sweep: dict[str, str]) -> None:
    assert after_sweep["methods"] == "greedy learned"
    assert "figures/tiny/k-sweep.png" in after_sweep["files"]
    assert "selection.png" not in after_sweep["files"] and "report.html" not in after_sweep["files"]
    assert "Nothing to be done" in after_sweep["again"]


def test_every_run_is_in_the_table_with_its_provenance(finished: Path) -> None:
    runs = pd.read_csv(finished / "results/tiny/runs.csv", dtype={"identity": str})
    cells = [
        (run.method, run.options, run.variant, run.epochs, run.start_epoch)
        for run in runs.fillna({"variant": "", "options": 0, "start_epoch": 0}).itertuples()
    ]
    assert sorted(cells) == [
        ("greedy", 2, "", 3, 0),
        ("greedy", 2, "", 3, 0),
        ("greedy", 2, "", 3, 0),
        ("greedy", 2, "finetuned", 3, 1),
        ("greedy", 2, "finetuned", 3, 2),
        ("learned", 0, "", 3, 0),
        ("probabilistic", 2, "", 3, 0),
        ("random", 0, "", 0, 0),
    ]
    shared = sorted(name for settings in runs["settings"] for name in re.findall(r'"sharing": "(\w+)"', settings))
    assert shared == ["layer", "network"]
    assert set(runs["recipe"]) == {"paper-glorot"}
    assert runs["test_accuracy"].between(0, 100).all()
    for column in ("commit", "device", "processor", "threads", "python", "torch", "started", "identity"):
        assert runs[column].notna().all(), column
    curves = pd.read_csv(finished / "results/tiny/curves.csv.gz", dtype={"identity": str})
    # The finetuned networks' own epochs only: one after two epochs, two after one.
    assert sorted(curves.groupby("identity").size()) == [1, 2, 3, 3, 3, 3, 3]
    selected = pd.read_csv(finished / "results/tiny/selected_weights.csv", dtype={"identity": str})
    assert selected["identity"].nunique() == 1
    assert selected["count"].sum() == 266_200


def test_the_report_is_one_page_with_all_pictures(finished: Path) -> None:
    page = (finished / "results/tiny/report.html").read_text()
    assert page.count("<svg xmlns=") == len(EXPERIMENTS) + 1  # and the curves: the paper has no number for these data
    assert not re.search(r"""(src|href)=["']https?:|url\(["']?https?:""", page)
    for experiment in EXPERIMENTS:
        assert (finished / f"figures/tiny/{experiment}.png").read_bytes().startswith(b"\x89PNG")
        table = pd.read_csv(finished / f"results/tiny/tables/{experiment}.csv")
        assert (table["n"] == 1).all()
        if experiment in ("k-sweep", "selection"):
            assert "not comparable" in (finished / f"results/tiny/tables/{experiment}.md").read_text()


@pytest.mark.parametrize("target", [(), ("finetune", "churn")])
def test_a_second_call_has_nothing_to_do(finished: Path, target: tuple[str, ...]) -> None:
    answer = snakemake(finished, *target)
    assert answer.returncode == 0
    assert "Nothing to be done" in answer.stderr
    assert len(pd.read_csv(finished / "results/tiny/runs.csv")) == RUNS


def contents(project: Path) -> dict[Path, bytes]:
    """All files but Snakemake's own."""
    return {
        path: path.read_bytes()
        for path in project.rglob("*")
        if path.is_file() and not {".snakemake", "__pycache__"} & set(path.parts)
    }


def test_a_trial_call_writes_nothing(finished: Path) -> None:
    before = contents(finished)
    runs = finished / "results/tiny/runs.csv"
    runs.write_text("".join(line for line in runs.read_text().splitlines(keepends=True) if ",random," not in line))
    answer = snakemake(finished, "-n")
    assert jobs(answer)["collect"] == 1
    runs.write_bytes(before[runs])
    assert contents(finished) == before


@pytest.mark.parametrize(
    ("edited", "tables", "figures"),
    [
        ("src/slotmachines/methods.py", 0, len(EXPERIMENTS) + 2),  # its tables would be the same
        ("src/slotpipeline/recipes/paper.yaml", 0, len(EXPERIMENTS) + 2),
        ("workflow/figures/k_sweep.py", 0, 1),
        ("src/slotpipeline/training/loop.py", 0, 0),
        ("src/slotmachines/slots/convert.py", 0, 0),
    ],
)
def test_what_an_edited_file_makes_is_made_again_and_nothing_else(
    finished: Path, edited: str, tables: int, figures: int
) -> None:
    path = finished / edited
    text, times = path.read_text(), path.stat()
    path.write_text(f"{text}# A remark.\n")
    planned = jobs(snakemake(finished, "-n"))
    path.write_text(text)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert (planned.get("table", 0), planned.get("figure", 0)) == (tables, figures)
    assert "train" not in planned


def test_code_that_writes_other_tables_makes_them_again(finished: Path) -> None:
    path = finished / "src/slotpipeline/reporting/tables.py"
    text, times = path.read_text(), path.stat()
    path.write_text(text + "\n\nWORDS = ()\n")
    planned, stale = planned_files(finished), files_out_of_date(finished)
    path.write_text(text)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert planned == stale and len([name for name in stale if "tables/" in name]) == len(EXPERIMENTS)


def test_no_profile_trains_finished_runs_again(finished: Path) -> None:
    """Without the project's own profile, Snakemake heeds edited rules and code, and other inputs, too."""
    with (finished / "workflow/rules/train.smk").open("a") as rules:
        rules.write("# A remark.\n")
    answer = snakemake(finished, "-n", "--workflow-profile", "none", "--forceall")
    assert answer.returncode == 0, answer.stderr
    assert "train" not in jobs(answer) and jobs(answer)["table"] == len(EXPERIMENTS)


def test_a_changed_setting_of_the_command_line_is_noticed(finished: Path) -> None:
    answer = snakemake(finished, "-n", "--config", "seeds=[0, 3]", "tolerance={digits: 2.5}")
    assert answer.returncode == 0, answer.stderr
    assert all("--seed 3 " in command for command in trained(answer)) and len(trained(answer)) == RUNS
    assert jobs(answer)["config"] == 1


def test_the_gpu_stays_when_another_resource_is_changed(finished: Path) -> None:
    answer = with_grid(
        finished, GRID.replace("seeds: [0]", "seeds: [1]"), "k-sweep", "--set-resources", "train:runtime=7"
    )
    asked = re.findall(r"resources: (.*runtime=7.*)", answer.stdout + answer.stderr)
    assert len(asked) == 2 and all("gpu=1" in one for one in asked)


def test_newer_data_retrain_nothing(finished: Path) -> None:
    (finished / "data/digits.safetensors").touch()
    assert "train" not in jobs(snakemake(finished, "-n"))


def test_more_seeds_train_only_themselves(finished: Path) -> None:
    data, away = finished / "data/digits.safetensors", finished / "digits.away"
    data.rename(away)  # as on a machine to which only the finished runs were brought
    answer = with_grid(finished, GRID.replace("seeds: [0]", "seeds: [0, 1]"))
    away.rename(data)
    assert (jobs(answer)["train"], jobs(answer)["fetch"]) == (RUNS, 1)
    assert len(trained(answer)) == RUNS and all("--seed 1 " in command for command in trained(answer))


def test_an_experiment_with_more_seeds_trains_these_for_itself_alone(finished: Path) -> None:
    answer = with_grid(finished, GRID.replace("  selection: {", "  selection: {seeds: [0, 5], "))
    assert len(trained(answer)) == 2 and all("--seed 5 " in command for command in trained(answer))


def test_a_config_with_fewer_or_reordered_experiments_trains_nothing(finished: Path) -> None:
    head, _, experiments = GRID.partition("experiments:\n")
    lines = experiments.splitlines()
    for kept in (lines[::-1], lines[1:3]):
        answer = with_grid(finished, f"{head}experiments:\n" + "\n".join(kept) + "\n")
        assert answer.returncode == 0
        assert trained(answer) == []


def test_a_new_experiment_trains_only_what_is_new(finished: Path) -> None:
    shape = "{networks: [lenet], options: [2], recipes: [paper, code], together: [[value bound, score range]]}"
    study = f"  recipe-study: {shape}\n"
    # In front of all others, so that it is the first to name the runs that it shares with them.
    answer = with_grid(finished, GRID.replace("experiments:\n", f"experiments:\n{study}"))
    # Each recipe as it is, with five factors of the other, and with two of them; one of these is the grid's recipe.
    assert len(trained(answer)) == 2 * 7 - 1


def lock_report(project: Path) -> None:
    """As a workflow does that makes the report."""
    lock = project / ".snakemake/locks/0.output.lock"
    lock.parent.mkdir(exist_ok=True)
    lock.write_text("results/tiny/report.html\n")


def test_tables_and_figures_come_from_the_small_files_alone(finished: Path) -> None:
    places = [finished / "results/tiny/tables/k-sweep.csv", finished / "figures/tiny/k-sweep.png"]
    places += [finished / "results/tiny" / name for name in (*SMALL, "report.html")]
    before = [place.read_bytes() for place in places]
    moved = finished / "away"
    shutil.move(finished / "results/tiny/runs", moved)
    rules = re.search(r"^FROM_RUNS := (.*)$", (PROJECT / "Makefile").read_text(), flags=re.MULTILINE)
    assert rules is not None
    note = take_over_locks(finished / ".snakemake", this_process())  # as if a workflow were training
    lock_report(finished)
    answer = snakemake(finished, *rules[1].split())
    note.unlink()
    shutil.move(moved, finished / "results/tiny/runs")
    assert answer.returncode == 0, answer.stderr[-4000:]
    assert "train" not in jobs(answer)
    assert [place.read_bytes() for place in places] == before


def test_a_workflow_that_was_killed_goes_on_and_a_second_one_at_a_time_is_refused(finished: Path) -> None:
    run = next((finished / "results/tiny/runs").glob("*/*/*/metrics.json")).relative_to(finished)
    state = finished / ".snakemake"
    # Killed after the job had ended, but before that was noted.
    note = state / "incomplete" / urlsafe_b64encode(str(run).encode()).decode()
    note.parent.mkdir(exist_ok=True)
    note.write_text("{}")
    here = this_process()
    alive = take_over_locks(state, here)
    lock_report(finished)
    second = snakemake(finished)
    assert second.returncode != 0 and "Directory cannot be locked" in second.stderr
    assert "Traceback" not in second.stderr
    alive.unlink()
    take_over_locks(state, replace(here, started=here.started - 100))  # another process, which had the same number
    again = snakemake(finished)
    assert again.returncode == 0 and "Nothing to be done" in again.stderr
    note.unlink()


def test_results_that_were_brought_over_are_taken_as_if_they_had_run_here(
    finished: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = new_project(tmp_path_factory.mktemp("other"))
    for path in (finished / "results/tiny/runs").rglob("*"):
        place = other / "results/tiny/runs" / path.relative_to(finished / "results/tiny/runs")
        if path.is_file():  # in any order, with the time of the copy
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
    answer = snakemake(other, "k-sweep", "finetune-checkpoints")
    assert answer.returncode == 0, answer.stderr[-4000:]
    assert not {"train", "fetch"} & set(jobs(answer))
    assert re.search(r"grid tiny: 0 of [1-7] runs to do", answer.stderr)  # of 8, those of what was asked for
    # Every finished run that is planned is gathered, whichever was asked for.
    for name in SMALL:
        assert (other / "results/tiny" / name).read_bytes() == (finished / "results/tiny" / name).read_bytes()
    assert not {"train", "fetch"} & set(jobs(snakemake(other, "-n")))


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    """A project with the folders of the finished runs and the small files, and no memory of how they were made."""
    project = new_project(tmp_path)
    shutil.copytree(finished / "results", project / "results", dirs_exist_ok=True)
    return project


def folder_of(project: Path, method: str, variant: str = "", start_epoch: int = 0) -> Path:
    """Folder of a run with settings that are the grid's own."""
    (folder,) = (
        file.parent
        for file in project.glob("results/tiny/runs/*/*/*/metrics.json")
        if (found := json.loads(file.read_text()))["method"] == method
        and (found["variant"], found["start_epoch"] or 0) == (variant, start_epoch)
        and found["settings"]["sharing"] == "none"
    )
    return folder


def test_a_run_that_was_brought_over_later_is_gathered_though_its_files_are_older(copy: Path) -> None:
    whole = (copy / "results/tiny/runs.csv").read_bytes()
    random, away = folder_of(copy, "random"), copy / "away"
    random.rename(away)
    lines = whole.decode().splitlines(keepends=True)
    (copy / "results/tiny/runs.csv").write_text("".join(line for line in lines if ",random," not in line))
    assert len(trained(snakemake(copy, "-n"))) == 1
    away.rename(random)
    answer = snakemake(copy, "random-vs-selected")
    assert answer.returncode == 0, answer.stderr[-4000:]
    assert not {"train", "fetch"} & set(jobs(answer))
    assert (copy / "results/tiny/runs.csv").read_bytes() == whole


def test_runs_of_which_only_the_rows_are_here_are_not_trained_again(copy: Path) -> None:
    shutil.rmtree(folder_of(copy, "probabilistic"))
    answer = with_grid(copy, GRID.replace("  random-vs-selected: {", "  random-vs-selected: {seeds: [0, 5], "))
    assert len(trained(answer)) == 2 and all("--seed 5 " in command for command in trained(answer))


def test_a_slot_machine_that_did_not_keep_what_is_needed_is_trained_again(copy: Path) -> None:
    kept = folder_of(copy, "greedy") / "weights/epoch-1.safetensors"
    kept.unlink()
    assert trained(snakemake(copy, "-n")) == []  # what starts from there is finished
    finetuned = folder_of(copy, "greedy", "finetuned", 1)
    shutil.rmtree(finetuned)
    assert trained(snakemake(copy, "-n")) == []  # its row is there
    runs = (copy / "results/tiny/runs.csv").read_text().splitlines(keepends=True)
    identity = finetuned.name.partition("-")[2]
    (copy / "results/tiny/runs.csv").write_text("".join(line for line in runs if f",{identity}," not in line))
    assert trained(snakemake(copy, "-n", "k-sweep")) == []  # nothing starts from there
    commands = trained(snakemake(copy, "-n"))
    assert sorted(command.split()[1] for command in commands) == ["finetune", "train"]
    assert all("--method greedy" in command for command in commands)
    assert jobs(snakemake(copy, "-n"))["fetch"] == 1  # it needs the data, which is not here


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (
            "grid: tiny",
            "grid: tiny\ngrid: tiny",
            "error: config/tiny.yaml is not valid YAML: the key grid occurs twice",
        ),
        ("grid: tiny", "grid: benchmark", "error: config/tiny.yaml: grid: results/benchmark holds something else"),
        ("options: [2]", "options: [0]", "error: config/tiny.yaml: experiments."),
        ("grid: tiny", "grid: other", "error: tiny.yaml is of the grid other; name it other.yaml"),
        ("paper-glorot", "papr", "error: unknown recipe 'papr': use one of code, frankle-carbin"),
        ("epochs: 3", "epoch: 3", "error: config/tiny.yaml: settings.lenet: unknown setting epoch"),
        ("start_epoch: 2", "start_epoch: 3", "error: finetuning cannot start after 3 of 3 epochs"),
    ],
)
def test_a_bad_config_ends_in_one_line(empty_project: Path, old: str, new: str, complaint: str) -> None:
    answer = with_grid(empty_project, GRID.replace(old, new))
    assert answer.returncode != 0
    lines = [line for line in answer.stderr.splitlines() if not line.startswith("Using workflow specific profile")]
    assert len(lines) == 1 and lines[0].startswith(complaint), answer.stderr


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--configfile", "config/smoke.yaml", "config/tiny.yaml"), "error: --configfile names 2 files"),
        (("--directory", "config"), "error: the workflow runs in the project's folder only"),
        (("--config", "runs_per_job=0"), "error: --config runs_per_job=0: give a number from 1 to"),
        (("--delete-all-output",), "error: --delete-all-output would delete the only record"),
        (("-n", "--workflow-profile", "profiles/slrm"), "error: there is no profile profiles/slrm"),
        (("-n", "k-swep"), "error: the grid has no experiment k-swep; did you mean k-sweep?"),
        (("--config", "without_gpu=lennet"), "error: --config without_gpu: 'lennet' is none of the grid's networks"),
    ],
)
def test_an_option_that_would_harm_ends_in_one_line(
    empty_project: Path, arguments: tuple[str, ...], complaint: str
) -> None:
    answer = snakemake(empty_project, *arguments)
    assert answer.returncode != 0
    lines = [line for line in answer.stderr.splitlines() if not line.startswith("Using workflow specific profile")]
    assert len(lines) == 1 and lines[0].startswith(complaint), answer.stderr


def test_a_dry_run_says_which_grid_it_is_and_what_it_costs(tmp_path: Path) -> None:
    # Where a default resource is set, Snakemake adds others, which it cannot find out while it plans.
    answer = snakemake(new_project(tmp_path), "-n", "k-sweep", "--default-resources", "slurm_account=x")
    lines = answer.stderr.splitlines()
    assert lines[1] == "grid tiny (config/tiny.yaml)" and "never awaited" not in answer.stderr
    assert lines[-1].startswith("grid tiny: 2 of 2 runs to do, less than a minute, on one processor core")
    assert "cluster" not in lines[-1]


def test_a_dry_run_for_a_cluster_says_what_its_jobs_ask_for(tmp_path: Path) -> None:
    answer = snakemake(new_project(tmp_path), "-n", "k-sweep", "--workflow-profile", "profiles/slurm")
    asked = [int(minutes) for minutes in re.findall(r"runtime=(\d+)", answer.stdout + answer.stderr)]
    assert len(asked) == 2
    assert f"{sum(asked) / 60:.1f} hours with a GPU (2 jobs)" in answer.stderr.splitlines()[-1]


def test_a_network_may_be_trained_on_cores_beside_others_on_gpus(tmp_path: Path) -> None:
    answer = with_grid(new_project(tmp_path), GRID, "k-sweep", "--config", "without_gpu=lenet")
    assert len(trained(answer)) == 2 and all("--device cpu" in command for command in trained(answer))
    asked = re.findall(r"resources: (.*torch_threads=1.*)", answer.stdout + answer.stderr)
    assert len(asked) == 2 and all("gpu=0" in one for one in asked)


GRES = "set-resources: {train: {gpu: 0, gres: 'gpu:1', runtime: 7 * attempt}}"


@pytest.mark.parametrize(
    ("profile", "reserved"),
    [
        (GRES, {"gpu=0": 4, "gres=gpu:1": 2}),
        (GRES.replace("gpu:1", "lscratch:5"), {"gpu=0": 4, "gres=lscratch:5": 4}),
        ("set-resources: {train: {gpu: 2}}", {"gpu=2": 2, "gpu=0": 2}),
    ],
)
def test_what_a_profile_sets_reserves_no_gpu_for_a_network_on_cores(
    tmp_path: Path, profile: str, reserved: dict[str, int]
) -> None:
    project = new_project(tmp_path)
    (project / "profiles/site").mkdir()
    (project / "profiles/site/config.yaml").write_text(f"executor: slurm\njobs: 9\n{profile}\n")
    networks = GRID.replace("{lenet: digits}", "{lenet: digits, conv2: digits}")
    (project / "config/tiny.yaml").write_text(networks.replace("networks: [lenet]", "networks: [lenet, conv2]"))
    answer = snakemake(project, "-n", "k-sweep", "--workflow-profile", "profiles/site", "--config", "without_gpu=lenet")
    assert answer.returncode == 0, answer.stderr
    asked = re.findall(r"resources: (.*torch_threads=1.*)", answer.stdout + answer.stderr)
    found = {word: sum(word in line for line in asked) for word in reserved}
    assert len(asked) == 4 and found == reserved
    assert "hours with a GPU (2 jobs)" in answer.stderr or "lscratch" in profile


@pytest.mark.parametrize(("word", "trainings"), [("seeds=[0]", 2), ("runs_per_job=1", RUNS)])
def test_a_setting_of_the_command_line_leaves_the_others_of_the_profile(
    tmp_path: Path, word: str, trainings: int
) -> None:
    answer = snakemake(new_project(tmp_path), "-n", "--workflow-profile", "profiles/one-gpu-node", "--config", word)
    assert jobs(answer)["train"] == trainings, answer.stderr


def test_a_run_that_fails_does_not_keep_the_others_from_running(tmp_path: Path) -> None:
    project = new_project(tmp_path)
    program = tmp_path / "bin/slotmachines"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n! grep -q learned || { echo no luck; exit 1; }\n")
    program.chmod(0o755)
    (project / "data").mkdir()
    (project / "data/digits.safetensors").touch()
    answer = snakemake(project, "k-sweep", "selection", "--cores", "1", path=program.parent)
    assert answer.returncode != 0 and "no luck" in answer.stderr
    assert jobs(answer)["train"] == 3 and answer.stderr.count("rule train:") >= 3


def test_a_cluster_that_refuses_jobs_ends_the_call_with_one_line_that_says_why(tmp_path: Path) -> None:
    project, clients = new_project(tmp_path), tmp_path / "bin"
    clients.mkdir()
    for client in ("sbatch", "squeue", "sacct", "scontrol", "sinfo", "sacctmgr", "sshare", "scancel"):
        (clients / client).write_text("#!/bin/sh\n")
        (clients / client).chmod(0o755)
    refusal = "sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified"
    (clients / "sbatch").write_text(f"#!/bin/sh\necho >> {tmp_path}/calls\necho '{refusal}' >&2\nexit 1\n")
    (project / "data").mkdir()
    (project / "data/digits.safetensors").touch()
    answer = snakemake(project, "--workflow-profile", "profiles/slurm", path=clients)
    assert answer.returncode != 0 and len((tmp_path / "calls").read_text().splitlines()) == 1
    said = [line for line in answer.stderr.splitlines() if "Invalid account" in line]
    assert len(said) == 1 and "slurm_account" in said[0] and "Traceback" not in answer.stderr
    assert len(list((project / "results/tiny/checkpoints").rglob("*.failed"))) > 1
