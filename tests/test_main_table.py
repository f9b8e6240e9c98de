"""The main table of a grid, for the terminal and the README, and the table of what its runs cost."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from slotmachines.errors import UserError
from slotpipeline import cli
from slotpipeline.experiments.accuracy_by_options import SECONDS
from slotpipeline.experiments.grid import grid_runs
from slotpipeline.experiments.outcomes import experiment_results, grid_results, measures
from slotpipeline.reporting.main_table import behind_lines, machines_line, main_table_text
from slotpipeline.reporting.run_origins import costs
from slotpipeline.reporting.sources import KEY, report_digest
from slotpipeline.reporting.tables import CHOSEN
from slotpipeline.results.read import median_seconds, read_results
from slotpipeline.runs.run_files import METRICS, run_files
from synthetic import NOTE, REFERENCE, grid, make_config, make_results, write_grid

__all__ = ["grid"]


def test_the_main_table_for_the_terminal_has_every_cell_once(grid: Path) -> None:
    text = main_table_text(read_results(grid, REFERENCE))
    text, chosen, note = text.split("\n\n")
    assert note == f"Data: CIFAR-10, {NOTE}."
    assert chosen.startswith(f"{CHOSEN}: the recipe was chosen because")
    cells = [tuple(line.split()[:4]) for line in text.splitlines()[2:]]
    assert len(cells) == len(set(cells)) == 18
    assert cells[0] == ("MNIST", "LeNet", "greedy", "2")
    assert f"no verdict {CHOSEN}" in text


def test_the_main_table_of_what_was_run(grid: Path) -> None:
    results = read_results(grid, REFERENCE)
    some = replace(results, runs=results.runs[results.runs["network"] == "lenet"])
    every, run = (main_table_text(some, "pipe", only_run=only_run) for only_run in (False, True))
    assert "Conv-2" in every and "Conv-2" not in run
    assert "not run" in every and "not run" not in run
    cells = [[line.split() for line in text.splitlines() if "LeNet" in line] for text in (every, run)]
    assert cells[0] == cells[1] != []


def test_the_command_shows_the_main_table(grid: Path, tmp_path: Path) -> None:
    config = tmp_path / "results/synthetic/config.yaml"
    write_grid(config.parent, make_config())
    words = ["show", str(config), "--results", str(tmp_path / "results"), "--reference", str(REFERENCE)]
    shown = CliRunner().invoke(cli.app, words, catch_exceptions=False)
    assert shown.exit_code == 0
    assert main_table_text(read_results(config.parent, REFERENCE)) in shown.output
    assert "There is no report yet" in shown.output
    (config.parent / "report.html").write_text("of a grid before")
    shown = CliRunner().invoke(cli.app, words, catch_exceptions=False)
    assert str(config.parent / "report.html") in shown.output.replace("\n", "")
    assert "report is older" in shown.output and "make collect GRID=synthetic" in shown.output
    (config.parent / "runs.csv").unlink()
    with pytest.raises(UserError, match="run the grid first"):
        CliRunner().invoke(cli.app, words, catch_exceptions=False)


def test_a_report_of_the_same_runs_is_not_called_old(grid: Path, tmp_path: Path) -> None:
    results = read_results(grid, REFERENCE)
    digest = report_digest(results, grid_results(results))
    (tmp_path / "report.html").write_text(f'<meta name="{KEY}" content="{digest}">')
    assert behind_lines(results, tmp_path) == []


def test_runs_that_finished_after_the_table_are_counted(tmp_path: Path) -> None:
    config = make_config({"lenet": "mnist"}, seeds=2, experiments=["k-sweep"])
    write_grid(tmp_path, config)
    first, other = [run for run in grid_runs(config) if run.options == 2][:2]
    metrics = {"started": "2026-01-01T00:00:00"}
    for run in (first, other):
        files = run_files(run, tmp_path)
        files.folder.mkdir(parents=True)
        (files.folder / METRICS).write_text(json.dumps(metrics))
    lines = behind_lines(read_results(tmp_path, REFERENCE), tmp_path)
    assert any("2 runs" in line for line in lines)


def test_runs_of_different_machines_are_said_to_be_so() -> None:
    results = make_results(make_config({"lenet": "mnist"}, experiments=["k-sweep"]))
    assert machines_line(results) == ""
    mixed = replace(
        results, runs=results.runs.assign(device=results.runs["device"].mask(results.runs["seed"] == 0, "H200"))
    )
    counts = results.runs["seed"].eq(0).value_counts()
    line = machines_line(mixed)
    assert f"H200 ({counts[True]} runs)" in line and f"made up ({counts[False]} runs)" in line


def test_a_grid_without_k_sweep_shows_all_its_experiments() -> None:
    text = main_table_text(make_results(make_config(experiments=["rivals", "churn"])))
    assert "edge-popup" in text and "probabilistic" in text


def test_each_run_is_in_the_table_of_costs_once() -> None:
    config = make_config()
    config["experiments"]["sharing"]["seeds"] = [0, 1]
    config["experiments"]["churn"]["seeds"] = [2, 3]
    results = make_results(config)
    table = costs(results)
    assert table["runs"].astype(int).sum() == len(results.runs)
    plain = table[(table["network"] == "LeNet") & (table["method"] == "greedy") & (table["K"] == "2")]
    assert plain["runs"].tolist() == ["4"]
    assert costs(replace(results, runs=results.runs.iloc[:0])).empty


def test_times_of_processors_and_of_gpus_are_never_in_one_median() -> None:
    results = make_results(make_config({"lenet": "mnist"}, experiments=["cost"]))
    fast = results.runs["seed"] > 0
    runs = results.runs.assign(device=results.runs["device"].mask(fast, "NVIDIA H200"), wall_seconds=400.0 - 390 * fast)
    mixed = replace(results, runs=runs.assign(share_seconds=runs["wall_seconds"].where(fast)))
    assert set(costs(mixed)["wall time per run (median)"]) == {"7 min on a processor, 10 s on a GPU"}
    measured = measures(mixed, "cost", experiment_results(mixed, "cost"))
    assert {(one.values[SECONDS["processor"]], one.values[SECONDS["GPU"]]) for one in measured} == {(400.0, 10.0)}
    assert set(costs(results)["wall time per run (median)"]) == {"7 min on a processor"}


def test_times_of_runs_that_shared_a_gpu_are_apart_from_those_alone_and_from_older_ones() -> None:
    runs = pd.DataFrame({
        "device": ["cpu", "H200", "H200", "H200", "H200", "H200"],
        "wall_seconds": [400.0, 10.0, 10.4, 30.0, 34.0, 99.0],
        "share_seconds": [None, 10.0, 10.0, 10.0, 12.0, None],
    })  # fmt: skip
    expected = {"processor": 400.0, "GPU": 10.2, "GPU, shared": 11.0, "GPU, perhaps shared": 99.0}
    assert median_seconds(runs) == pytest.approx(expected)
    old = runs.drop(columns="share_seconds")
    assert median_seconds(old) == {"processor": 400.0, "GPU, perhaps shared": 30.0}
    assert set(expected) == set(SECONDS)
