"""Every figure script runs by hand on made-up results, also where runs are missing."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest
from matplotlib.image import imread

from slotmachines.reporting.reference import read_reference
from slotmachines.reporting.table import CELL, experiment_table
from synthetic import NOTE, REFERENCE, grid, make_config, make_curves, make_runs, write_grid

__all__ = ["grid"]
SCRIPTS = Path(__file__).parents[1] / "workflow" / "scripts"
EXPERIMENTS = ["k_sweep", "selection", "random_vs_selected", "finetune"]


def draw(monkeypatch: pytest.MonkeyPatch, script: str, *arguments: Path) -> int | str | None:
    monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(SCRIPTS / f"{script}.py"), run_name="__main__")
    return ended.value.code


def inputs(folder: Path, script: str) -> list[Path]:
    return [folder / "config.yaml", folder / "runs.csv", folder / "curves.csv.gz" if script == "curves" else REFERENCE]


@pytest.mark.parametrize("script", [*EXPERIMENTS, "curves"])
def test_a_figure_is_a_picture_and_the_same_bytes_again(
    script: str, grid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "first.png", tmp_path / "second.png"
    assert draw(monkeypatch, script, *inputs(grid, script), first) == 0
    assert draw(monkeypatch, script, *inputs(grid, script), second) == 0
    picture = imread(first)
    assert picture.shape[1] == 1350  # half as wide again as a README shows it
    assert picture.std() > 0.05
    assert b"Software" not in first.read_bytes()
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("script", [*EXPERIMENTS, "curves"])
def test_a_figure_is_made_without_any_run(script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_grid(tmp_path, make_config({"lenet": "digits"}))
    runs = folder / "runs.csv"
    runs.write_text(runs.read_text().splitlines()[0] + "\n")
    assert draw(monkeypatch, script, *inputs(folder, script), tmp_path / "figure.png") == 0
    assert imread(tmp_path / "figure.png").shape[1] == 1350  # half as wide again as a README shows it


def test_missing_cells_are_named_in_the_caption() -> None:
    config = make_config()
    table = experiment_table(config, "selection", make_runs(config), read_reference(REFERENCE))
    figure = runpy.run_path(str(SCRIPTS / "selection.py"))["draw"](config, table)
    caption = " ".join(figure.get_supxlabel().split())
    assert "Not run: Conv-2 greedy K = 64; Conv-2 probabilistic K = 64." in caption
    assert "Recipe paper-glorot; seeds 0, 1, 2." in caption
    assert caption.endswith(f"Data: CIFAR-10, {NOTE}.")


@pytest.mark.parametrize("experiment", make_config()["experiments"])
def test_inexact_data_is_said_in_the_caption_of_its_figure(experiment: str) -> None:
    for networks, said in (({"conv2": "cifar10"}, True), ({"lenet": "mnist"}, False)):
        config = make_config(networks)
        table = experiment_table(config, experiment, make_runs(config), read_reference(REFERENCE))
        figure = runpy.run_path(str(SCRIPTS / f"{experiment.replace('-', '_')}.py"))["draw"](config, table)
        assert (NOTE in " ".join(figure.get_supxlabel().split())) == said


def test_inexact_data_is_said_in_the_caption_of_the_curves() -> None:
    config = make_config()
    runs = make_runs(config)
    curves = make_curves(runs).merge(runs[[*CELL, "epochs", "identity", "data_note"]], on="identity")
    figure = runpy.run_path(str(SCRIPTS / "curves.py"))["draw"](config, curves)
    assert NOTE in " ".join(figure.get_supxlabel().split())


def test_bad_input_is_one_line_and_status_2(
    grid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "figure.png"
    assert draw(monkeypatch, "k_sweep", grid / "config.yaml", tmp_path / "absent.csv", REFERENCE, output) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not output.exists()
