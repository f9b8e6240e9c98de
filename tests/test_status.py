"""What the status command says of a grid whose files are current, out of date or missing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from matplotlib.figure import Figure
from typer.testing import CliRunner

from slotmachines.cli import app
from slotmachines.replication.grid import experiment_runs
from slotmachines.reporting.report import write_report
from slotmachines.reporting.results import Results, read_results
from slotmachines.reporting.sources import source_digest
from slotmachines.reporting.status import State, grid_status, status_text
from slotmachines.reporting.style import save
from slotmachines.reporting.table import experiment_table
from slotmachines.reporting.table_files import write_table
from synthetic import REFERENCE, make_config, write_grid

CONFIG = make_config({"lenet": "mnist"}, experiments=["k-sweep", "selection"])
SECONDS = REFERENCE.parent / "seconds_per_epoch.csv"


def build(results: Results, folder: Path, figures: Path) -> None:
    """The tables, figures and report of a grid, the figures without a picture in them."""
    for name in results.config["experiments"]:
        write_table(results, name, folder / "tables")
        digest = source_digest(results.config, name, experiment_table(results, name))
        save(Figure(), figures / f"{name}.png", digest)
    save(Figure(), figures / "curves.png")
    write_report(results, figures, folder / "report.html")


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    """Folders of results and figures of a finished grid."""
    folder, figures = write_grid(tmp_path / "results/synthetic", CONFIG), tmp_path / "figures/synthetic"
    build(read_results(folder, REFERENCE), folder, figures)
    return folder, figures


def stand(places: tuple[Path, Path], config: dict[str, Any] = CONFIG) -> dict[str, tuple[str, str, int, int]]:
    """Experiment -> table, figure, runs recorded, runs to do."""
    folder, figures = places
    standings = grid_status(config, replace(read_results(folder, REFERENCE), config=config), folder, figures)
    return {one.experiment: (one.table, one.figure, one.recorded, len(one.to_do)) for one in standings}


def text(places: tuple[Path, Path], config: dict[str, Any] = CONFIG) -> str:
    return status_text(config, *places, REFERENCE, SECONDS)


def test_a_finished_grid_has_nothing_to_do(places: tuple[Path, Path]) -> None:
    assert stand(places) == {
        "k-sweep": (State.CURRENT, State.CURRENT, 15, 0),
        "selection": (State.CURRENT, State.CURRENT, 24, 0),
    }
    said = text(places)
    assert "report: current. Each run counts once: 27 of 27 are finished, 0 to do." in said
    assert "hours" not in said


def test_another_result_makes_only_what_uses_it_stale(places: tuple[Path, Path]) -> None:
    path = places[0] / "runs.csv"
    runs = pd.read_csv(path, dtype={"identity": str})
    runs.loc[runs["method"] == "probabilistic", "test_accuracy"] -= 1
    runs.to_csv(path, index=False)
    assert stand(places)["k-sweep"][:2] == (State.CURRENT, State.CURRENT)
    assert stand(places)["selection"][:2] == (State.STALE, State.STALE)
    said = text(places)
    assert "report: stale" in said
    assert "table was made from other results; figure was made from other results" in said


def test_more_seeds_are_runs_to_do_and_cost_hours(places: tuple[Path, Path]) -> None:
    more = CONFIG | {"seeds": [0, 1, 2, 3]}
    assert stand(places, more)["k-sweep"][2:] == (15, 5)
    assert stand(places, more)["selection"][2:] == (24, 8)
    said = text(places, more)
    assert "27 of 36 are finished, 9 to do, about" in said  # four greedy cells are in both
    assert "5 runs are to do" in said


def test_finished_runs_that_were_not_collected_are_not_to_do(places: tuple[Path, Path]) -> None:
    more = CONFIG | {"seeds": [0, 1, 2, 3]}
    run = next(run for run in experiment_runs(more, "k-sweep") if run.seed == 3 and run.options == 4)
    (places[0] / "runs" / run.folder).mkdir(parents=True)
    (places[0] / "runs" / run.folder / "metrics.json").write_text("{}")
    assert stand(places, more)["k-sweep"][2:] == (15, 4)
    assert "1 finished run is not collected" in text(places, more)


def test_missing_files_and_strange_runs_are_named(places: tuple[Path, Path]) -> None:
    (places[1] / "selection.png").unlink()
    (places[0] / "tables/k-sweep.csv").unlink()
    (places[0] / "report.html").unlink()
    assert stand(places)["k-sweep"][0] == State.MISSING
    assert stand(places)["selection"][1] == State.MISSING
    fewer = CONFIG | {"seeds": [0, 1]}
    said = text(places, fewer)
    assert "report: missing" in said
    assert "also holds 9 runs that this grid does not plan" in said


def test_nothing_has_run_yet(tmp_path: Path) -> None:
    said = status_text(CONFIG, tmp_path / "results", tmp_path / "figures", REFERENCE, SECONDS)
    assert "0 of 27 are finished, 27 to do" in said
    assert "table is missing; figure is missing" in said


def test_the_command(places: tuple[Path, Path], tmp_path: Path) -> None:
    folders = ["--results", str(places[0].parent), "--figures", str(places[1].parent)]
    answer = CliRunner().invoke(
        app,
        ["status", str(places[0] / "config.yaml"), *folders, "--reference", str(REFERENCE), "--seconds", str(SECONDS)],
    )
    assert answer.exit_code == 0, answer.output
    assert "27 of 27 are finished" in answer.output
