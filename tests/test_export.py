"""Results as tidy tables: the columns and types that the data dictionary says, in CSV and in Parquet."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path

import pandas as pd
import pytest
from pyarrow import parquet
from typer.testing import CliRunner

from slotmachines.errors import UserError
from slotpipeline import cli
from slotpipeline.experiments.grid import grid_runs
from slotpipeline.experiments.registry import EXPERIMENTS
from slotpipeline.results.data_dictionary import TIDY_TABLES
from slotpipeline.results.tidy_export import export
from slotpipeline.runs.config import read_config
from slotpipeline.runs.recipe import Settings
from slotpipeline.runs.run_record import RUN_COLUMNS, CurveRow
from synthetic import grid

__all__ = ["grid"]
PROJECT = Path(__file__).parents[1]


def test_the_page_says_what_the_definitions_say(tmp_path: Path) -> None:
    written = CliRunner().invoke(cli.app, ["dictionary", str(tmp_path / "page.md")])
    page = (PROJECT / "docs/data-dictionary.md").read_text(encoding="utf-8")
    assert written.exit_code == 0
    assert page == (tmp_path / "page.md").read_text(encoding="utf-8"), (
        "run: slotmachines dictionary docs/data-dictionary.md"
    )


def test_the_page_names_every_column_and_experiment() -> None:
    page = (PROJECT / "docs/data-dictionary.md").read_text(encoding="utf-8")
    for table in TIDY_TABLES.values():
        assert all(f"`{one.name}`" in page for one in table.columns)
    listed = dict(re.findall(r"^\| `([\w-]+)` \| (.*) \|$", page.partition("## Experiments\n")[2], re.MULTILINE))
    assert listed == {name: experiment.title for name, experiment in EXPERIMENTS.items()}


def test_every_recorded_field_and_setting_has_a_column_and_a_meaning() -> None:
    of_runs, of_curves = ({one.name for one in TIDY_TABLES[name].columns} for name in ("runs", "curves"))
    assert set(RUN_COLUMNS) - {"settings"} <= of_runs
    assert {f"setting_{one.name}" for one in fields(Settings)} <= of_runs
    assert {one.name for one in fields(CurveRow)} <= of_curves
    assert all(len(one.meaning) > 5 for table in TIDY_TABLES.values() for one in table.columns)


@pytest.mark.parametrize("table", ["runs", "curves", "selected-weights"])
def test_both_formats_hold_the_same(grid: Path, tmp_path: Path, table: str) -> None:
    count = export(grid, tmp_path / "a.parquet", table)
    assert export(grid, tmp_path / "a.csv", table) == export(grid, tmp_path / "a.csv.gz", table) == count > 0
    read = pd.read_parquet(tmp_path / "a.parquet")
    columns = TIDY_TABLES[table].columns
    assert list(read) == [one.name for one in columns] and len(read) == count
    for one in columns:
        if not one.may_be_blank:
            assert read[one.name].notna().all(), one.name
    described = parquet.read_schema(tmp_path / "a.parquet").field("identity").metadata[b"description"]
    assert described.decode() == columns[[one.name for one in columns].index("identity")].meaning
    for name in ("a.csv", "a.csv.gz"):
        again = pd.read_csv(tmp_path / name, dtype={one.name: str for one in columns if one.dtype == "str"})
        for one in columns:
            values, same = read[one.name], again[one.name]
            assert (values.isna() == same.isna()).all()
            if one.dtype == "str":
                assert (values.dropna() == same.dropna()).all()
            else:
                assert values.dropna().astype(float).tolist() == same.dropna().astype(float).tolist()


def test_settings_are_those_of_the_runs(tmp_path: Path) -> None:
    export(PROJECT / "results/mnist", tmp_path / "runs.parquet", "runs")
    rows = pd.read_parquet(tmp_path / "runs.parquet").set_index("identity")
    checked = 0
    for run in grid_runs(read_config(PROJECT / "results/mnist/config.yaml")):
        if run.identity in rows.index and pd.notna(rows.loc[run.identity, "setting_epochs"]):
            row, checked = rows.loc[run.identity], checked + 1
            assert row["setting_learning_rate"] == run.settings.learning_rate
            assert row["setting_schedule"] == run.settings.schedule
            assert json.loads(row["setting_schedule_epochs"]) == list(run.settings.schedule_epochs)
            assert row["setting_value_bound"] == str(run.settings.value_bound)
    assert checked > 10


@pytest.mark.parametrize(
    ("name", "table", "message"),
    [
        ("a.xlsx", "runs", "end it in .csv, .csv.gz or .parquet"),
        ("a.csv", "run", "did you mean runs?"),
        ("file/a.csv", "runs", "cannot write to"),
    ],
)
def test_bad_input(grid: Path, tmp_path: Path, name: str, table: str, message: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=message.replace("?", r"\?")):
        export(grid, tmp_path / name, table)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_grid_without_results(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="run the grid first"):
        export(tmp_path / "none", tmp_path / "a.csv", "runs")
