"""From a number on a page to its runs and back: names that are found, and a run that is repeated by what is printed."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from slotmachines.errors import UserError
from slotpipeline.cli import app
from slotpipeline.experiments.grid import grid_runs, kept_epochs
from slotpipeline.planning.plan import plan_lines
from slotpipeline.reporting.addresses import Address, Grid, Kind, addresses, find, read_grids
from slotpipeline.reporting.explain import explained
from slotpipeline.reporting.repeating import RunOrigin, repeat_lines
from slotpipeline.training_verbs import job_of
from synthetic import REFERENCE, make_config, write_grid

PROJECT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def grids(tmp_path_factory: pytest.TempPathFactory) -> list[Grid]:
    results = tmp_path_factory.mktemp("project") / "results"
    experiments = ["random-vs-selected", "k-sweep", "selection", "finetune", "sharing"]
    write_grid(results / "synthetic", make_config({"lenet": "mnist"}, experiments=experiments))
    return read_grids(results, REFERENCE)


@pytest.fixture(scope="module")
def there(grids: list[Grid]) -> list[Address]:
    return addresses(grids)


@pytest.mark.slow
def test_every_cell_of_the_committed_grids_has_a_name_of_its_own() -> None:
    found = addresses(read_grids(PROJECT / "results", REFERENCE))
    cells = [one.name for one in found if one.kind == Kind.CELL]
    assert len(cells) == len(set(cells)) > 100


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("synthetic/k-sweep/lenet-mnist/greedy-k8", "synthetic/k-sweep/lenet-mnist/greedy-k8"),
        ("k-sweep greedy K=8", "synthetic/k-sweep/lenet-mnist/greedy-k8"),
        ("results/synthetic/tables/k-sweep.csv greedy-k64", "synthetic/k-sweep/lenet-mnist/greedy-k64"),
        ("aladago2021/k-sweep/lenet-mnist/greedy-k8", "aladago2021/k-sweep/lenet-mnist/greedy-k8"),
        ("zhou2019 conv4 learned", "zhou2019/table-1/conv4-cifar10/learned"),
    ],
)
def test_some_words_of_a_name_find_it(asked: str, name: str, there: list[Address], grids: list[Grid]) -> None:
    assert [one.name for one in find(asked, there, grids)] == [name]


def test_a_run_is_found_by_its_identity_and_by_its_folder(there: list[Address], grids: list[Grid]) -> None:
    run = next(iter(grids[0].planned.values()))
    for asked in (run.identity, run.folder, f"results/synthetic/runs/{run.folder}/", run.identity[:6]):
        (found,) = find(asked, there, grids)
        assert found.identity == run.identity
    answer = explained(found, there, grids)
    assert [one.identity for one in answer.runs] == [run.identity]
    assert answer.runs[0].commit == "0123abc" and answer.runs[0].machine["processor"] == "made up"


def test_a_number_finds_all_that_shows_it(there: list[Address], grids: list[Grid]) -> None:
    (cell,) = find("synthetic/k-sweep/lenet-mnist/greedy-k8", there, grids)
    found = find(f"{cell.shows['mean']:.4f}", there, grids)
    assert cell.name in [one.name for one in found] and "mean" in found[0].shows
    with pytest.raises(UserError, match="no table, claim or published number"):
        find("12.3456", there, grids)


def test_a_cell_leads_to_its_runs_and_to_the_other_tables_that_hold_it(there: list[Address], grids: list[Grid]) -> None:
    (cell,) = find("k-sweep greedy k8", there, grids)
    answer = explained(cell, there, grids)
    assert [run.seed for run in answer.runs] == [0, 1, 2]
    assert "synthetic/selection/lenet-mnist/greedy-k8" in answer.elsewhere
    assert json.loads(answer.json)["runs"][0]["commands"] == list(answer.runs[0].commands)


def test_a_published_number_leads_to_the_cell_that_repeats_it(there: list[Address], grids: list[Grid]) -> None:
    (number,) = find("aladago2021/k-sweep/lenet-mnist/greedy-k8", there, grids)
    answer = explained(number, there, grids)
    assert "98.21%" in answer.says[0] and len(answer.runs) == 3


@pytest.mark.parametrize(
    ("asked", "hint"), [("k-swep greedy", "k-sweep"), ("gredy k8", "greedy"), ("random-vs-selected k64", "close to it")]
)
def test_a_misspelt_name_gets_what_comes_close(asked: str, hint: str, there: list[Address], grids: list[Grid]) -> None:
    with pytest.raises(UserError, match=hint):
        find(asked, there, grids)


def test_every_printed_command_trains_the_run_that_it_is_printed_for(there: list[Address], grids: list[Grid]) -> None:
    for one in there:
        if one.cell:
            for run in explained(one, there, grids).runs:
                assert job_of(shlex.split(run.commands[-1])).run.identity == run.identity


def test_a_run_is_repeated_in_a_folder_of_its_own_with_its_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    Path("requirements.lock").write_text("torch==2.15.0 \\\n    --hash=sha256:0\ntorchvision==0.29.2 \\\n")
    author = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
    for words in (["init", "-q"], ["add", "."], [*author, "commit", "-qm", "all"]):
        subprocess.run(["git", *words], check=True)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    origin = RunOrigin("0123abcd", 0, "a/b", 98.0, commit=commit, commands=["slotmachines train"])
    for torch, others in {"2.15.0+cu132": [], "2.11.0+cu130": ["uv pip install --python .venv torch==2.11.0"]}.items():
        machine = {"python": "3.11.7", "torch": torch, "device": "cpu"}
        lines = [line.strip() for line in repeat_lines([replace(origin, machine=machine)], "digits")]
        assert not any(line.startswith("git checkout") for line in lines)  # jobs may be at work here
        assert f"git worktree add ../repeat-{commit[:10]} {commit}" in lines
        assert [line for line in lines if line.startswith("uv ")] == others
        assert f"slotmachines explain 0123abcd --repeated ../repeat-{commit[:10]}/repeat/runs/a/b" in lines
    subprocess.run(shlex.split(lines[1]), check=True, capture_output=True)
    assert (tmp_path / f"repeat-{commit[:10]}" / "requirements.lock").is_file()
    unknown = [line.strip() for line in repeat_lines([replace(origin, commit="unknown")], "digits")]
    assert "slotmachines train" in unknown and not any("worktree" in line for line in unknown)


def test_several_things_are_listed_each_with_its_command(grids: list[Grid], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(grids[0].folder.parents[1])
    call = ["explain", "greedy", "k8", "--reference", str(REFERENCE)]
    answer = CliRunner().invoke(app, call)
    assert answer.exit_code == 0
    command = "slotmachines explain synthetic/k-sweep/lenet-mnist/greedy-k8"
    assert f"{command}  # cell of a table" in answer.output
    assert CliRunner().invoke(app, [*shlex.split(command)[1:], *call[3:]]).exit_code == 0
    assert isinstance(CliRunner().invoke(app, [*call, "--repeated", "runs"]).exception, UserError)
    listed = json.loads(CliRunner().invoke(app, [*call, "--json"]).output)["matches"]
    assert len(listed) == len(set(listed)) > 1


@pytest.mark.slow
@pytest.mark.parametrize("words", [["finetune", "greedy-k2", "plain"], ["finetune", "finetuned-after-1"]])
def test_a_run_that_is_repeated_as_printed_has_the_same_bits(
    words: list[str], tmp_path: Path, digits_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(digits_folder, "data")
    config = make_config({"lenet": "digits"}, seeds=1, experiments=["finetune"]) | {"tolerance": {"digits": 1.0}}
    config["settings"] = {"lenet": {"epochs": 2}}
    config["experiments"]["finetune"] |= {"options": [2], "start_epoch": 1}
    results = Path("results/tiny")
    results.mkdir(parents=True)
    (results / "config.yaml").write_text(yaml.safe_dump(config | {"grid": "tiny"}))
    runs = grid_runs(config)
    for line in plan_lines(runs, kept_epochs(runs), results):
        assert CliRunner().invoke(app, shlex.split(line)[1:]).exit_code == 0
    assert CliRunner().invoke(app, ["collect", str(results)]).exit_code == 0

    asked = ["explain", *words, "--reference", str(REFERENCE), "--json"]
    answer = json.loads(CliRunner().invoke(app, asked).output)
    (origin,) = answer["runs"]
    assert len(origin["data_sha256"]) == 64 and origin["data_recorded"]
    for command in origin["commands"]:
        assert CliRunner().invoke(app, shlex.split(command)[1:]).exit_code == 0
    repeated = Path("repeat/runs") / origin["folder"]
    compare = ["explain", origin["identity"], "--reference", str(REFERENCE), "--repeated", str(repeated)]
    said = CliRunner().invoke(app, compare)
    assert said.exit_code == 0 and "same bits" in said.output

    curve = pd.read_csv(repeated / "curve.csv", dtype=str)
    curve.loc[0, "train_loss"] = str(float(curve.loc[0, "train_loss"]) + 0.001)
    curve.to_csv(repeated / "curve.csv", index=False)
    assert isinstance(CliRunner().invoke(app, compare).exception, UserError)
