"""How far a grid is, of the experiments alone that a user asks for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from slotmachines.errors import UserError
from slotpipeline.cli import app
from slotpipeline.experiments.wanted import wanted_runs
from slotpipeline.reporting.status import status_of
from slotpipeline.runs.config import read_config
from slotpipeline.runs.gpu_time import cost_text, gpu_hours, read_gpu_seconds
from slotpipeline.runs.run_files import run_files
from slotpipeline.runs.run_time import read_seconds
from synthetic import REFERENCE, make_config
from test_progress import write_log

SECONDS, EPOCHS = REFERENCE.parent / "seconds_per_epoch.csv", REFERENCE.parents[1] / "results/benchmark/epochs.csv"


def write_yaml(folder: Path, *experiments: str) -> Path:
    """The config of a grid, in a project that has nothing else."""
    config = make_config({"lenet": "mnist"}, seeds=2, experiments=list(experiments))
    path = folder / f"{config['grid']}.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def watched(folder: Path, *words: str) -> dict[str, Any]:
    """What `watch` says of a grid whose results and logs are in a folder."""
    options = ["--results", folder / "results", "--logs", folder / "logs", "--json"]
    options += ["--seconds", REFERENCE.parent / "seconds_per_epoch.csv"]
    answer = CliRunner().invoke(app, ["watch", *words, *map(str, options)], catch_exceptions=False)
    found: dict[str, Any] = json.loads(answer.output)
    return found


def test_only_the_experiments_that_are_asked_for_are_watched(tmp_path: Path) -> None:
    names = ["k-sweep", "selection", "finetune"]
    path = str(write_yaml(tmp_path, *names))
    alone = {name: watched(tmp_path, path, name)["planned"] for name in names}
    assert max(alone.values()) < watched(tmp_path, path)["planned"]
    # Greedy slot machines are in both: each counts once.
    both = watched(tmp_path, path, "k-sweep", "selection")
    assert max(alone["k-sweep"], alone["selection"]) < both["planned"] < alone["k-sweep"] + alone["selection"]
    runs = wanted_runs(read_config(path), ["finetune"])
    parents = {run.parent.identity for run in runs if run.parent}
    assert alone["finetune"] == len(runs) and parents < {run.identity for run in runs}


def test_the_time_left_is_that_of_the_experiments_that_are_asked_for(tmp_path: Path) -> None:
    path = str(write_yaml(tmp_path, "k-sweep", "selection"))
    run = wanted_runs(read_config(path), ["k-sweep"])[0]
    write_log(tmp_path / "logs" / Path(path).stem / "train/one.log", (run, 3))
    assert watched(tmp_path, path, "k-sweep")["seconds_left"] < watched(tmp_path, path)["seconds_left"]


def test_slot_machines_that_are_trained_again_are_watched(tmp_path: Path) -> None:
    path = write_yaml(tmp_path, "finetune")
    results = tmp_path / "results" / path.stem
    parents = [run for run in wanted_runs(read_config(path)) if run.method == "greedy" and not run.parent]
    for parent in parents:
        run_files(parent, results).folder.mkdir(parents=True)
        run_files(parent, results).metrics.write_text("{}")
    write_log(tmp_path / "logs" / path.stem / "train/one.log", (parents[0], 3))
    found = watched(tmp_path, str(path))
    assert (found["finished"], found["again"], len(found["running"])) == (len(parents), len(parents), 1)
    assert found["waiting"] == found["planned"] - 1


@pytest.mark.parametrize(("names", "said"), [(["ksweep"], "mean k-sweep.*it has .*finetune"), ([], "its grid")])
@pytest.mark.parametrize("verb", ["status", "watch"])
def test_an_unknown_experiment_is_refused_in_one_line(tmp_path: Path, verb: str, names: list[str], said: str) -> None:
    path = str(write_yaml(tmp_path, "k-sweep", "finetune"))
    with pytest.raises(UserError, match=said):
        CliRunner().invoke(app, [verb, *([path, *names] if names else ["k-sweep"])], catch_exceptions=False)


def test_the_status_is_that_of_the_experiments_that_are_asked_for(tmp_path: Path) -> None:
    config = make_config({"lenet": "mnist"}, seeds=2, experiments=["k-sweep", "selection"])
    found = status_of(config, tmp_path, tmp_path, REFERENCE, SECONDS, EPOCHS, ["selection", "selection"])
    assert [one["experiment"] for one in found.as_dict()["experiments"]] == ["selection"]
    assert found.as_dict()["runs"] == len(wanted_runs(config, ["selection"])) < len(wanted_runs(config))
    assert "k-sweep" not in str(found)


def test_the_status_has_hours_on_a_gpu_as_a_dry_run_says_them(tmp_path: Path) -> None:
    config = make_config({"lenet": "mnist", "conv2": "cifar10"}, seeds=1, experiments=["k-sweep"])
    runs = wanted_runs(config)
    found = status_of(config, tmp_path, tmp_path, REFERENCE, SECONDS, EPOCHS)
    hours, without = gpu_hours(runs, read_gpu_seconds(EPOCHS))
    assert hours > 0 and without == {"lenet"}
    data = found.as_dict()
    assert data["gpu_hours"] == data["experiments"][0]["gpu_hours"] == pytest.approx(hours, abs=0.001)
    assert data["gpu_hours_without"] == ["lenet"]
    assert cost_text(runs, SECONDS, read_seconds(SECONDS), read_gpu_seconds(EPOCHS)) in str(found)


def test_without_times_on_a_gpu_the_status_says_none(tmp_path: Path) -> None:
    config = make_config({"conv2": "cifar10"}, seeds=1, experiments=["k-sweep"])
    found = status_of(config, tmp_path, tmp_path, REFERENCE, SECONDS, tmp_path / "missing.csv")
    assert found.as_dict()["gpu_hours"] is None and "GPU" not in str(found)
