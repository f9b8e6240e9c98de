"""A grid as an RO-Crate: its files, their digests, its references, and what it says of the runs."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from slotmachines.errors import UserError
from slotpipeline.cli import app
from slotpipeline.experiments.config_schema import checked_config
from slotpipeline.reporting.crate import Grid, write_crate
from slotpipeline.reporting.sources import OVERVIEWS
from synthetic import REFERENCE, make_config, write_grid

PROJECT = Path(__file__).parents[1]
EXPERIMENTS = ["k-sweep", "finetune"]


def made_up_grid(folder: Path) -> Grid:
    """A finished grid of made-up numbers, with stand-ins for its tables, figures and report."""
    config = checked_config(make_config({"lenet": "mnist"}, experiments=EXPERIMENTS))
    results, figures = write_grid(folder / "results/synthetic", config), folder / "figures/synthetic"
    made = [results / "summary.json", results / "report.html"]
    made += [results / f"tables/{name}{suffix}" for name in EXPERIMENTS for suffix in (".csv", ".md", ".tex")]
    made += [figures / f"{name}.png" for name in (*EXPERIMENTS, *OVERVIEWS)]
    for place in made:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f"stands for {place.name}")
    (folder / "config").mkdir()
    (folder / "config/synthetic.yaml").write_text(yaml.safe_dump(config))
    return Grid(folder / "config/synthetic.yaml", results, figures, REFERENCE, folder / "data", PROJECT)


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Grid:
    return made_up_grid(tmp_path_factory.mktemp("grid"))


def copied(grid: Grid, folder: Path) -> Grid:
    shutil.copytree(grid.config.parents[1], folder)
    return Grid(
        folder / "config/synthetic.yaml", folder / "results/synthetic", folder / "figures/synthetic", REFERENCE,
        folder / "data", PROJECT,
    )  # fmt: skip


@pytest.fixture(scope="module")
def crate(grid: Grid, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("crates") / "crate"
    write_crate(grid, folder, agent="Ada Example")
    return folder


def entities(crate: Path) -> dict[str, dict[str, Any]]:
    graph = json.loads((crate / "ro-crate-metadata.json").read_text())["@graph"]
    found = {entity["@id"]: entity for entity in graph}
    assert len(found) == len(graph)
    return found


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict) and set(value) == {"@id"}:
        yield value["@id"]
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from references(part)


def test_every_file_is_named_with_its_digest_and_every_name_is_a_file(crate: Path) -> None:
    named = {name: one for name, one in entities(crate).items() if "File" in one["@type"]}
    there = {path.relative_to(crate).as_posix(): path for path in crate.rglob("*") if path.is_file()}
    assert set(there) == set(named) | {"ro-crate-metadata.json"}
    for name, entity in named.items():
        content = there[name].read_bytes()
        assert entity["sha256"] == hashlib.sha256(content).hexdigest()
        assert entity["contentSize"] == str(len(content))
    assert set(references(entities(crate)["./"]["hasPart"])) == set(named)
    assert {"Snakefile", "workflow/rules/train.smk", "results/synthetic/runs.csv", "README.md"} <= set(named)


def test_every_reference_is_described_in_the_crate_or_an_address(crate: Path) -> None:
    found = entities(crate)
    for entity in found.values():
        for reference in references(entity):
            assert reference in found or re.match("https://(w3id|bioschemas).org/", reference), reference


def test_each_recorded_run_is_an_action(crate: Path, grid: Grid) -> None:
    found = entities(crate)
    runs = pd.read_csv(grid.results / "runs.csv").set_index("identity")
    assert len(runs) > 10
    for identity, row in runs.iterrows():
        action = found[f"#run-{identity}"]
        values = {found[one]["name"]: found[one].get("value") for one in references(action["object"])}
        assert values["seed"] == str(row["seed"]) and values["network"] == "lenet" and "MNIST" in values
        assert found[action["instrument"]["@id"]]["softwareVersion"] == row["commit"]
        used = {found[one]["name"]: found[one]["value"] for one in references(action["resourceUsage"])}
        assert used["processor"] == row["processor"] and float(used["wall_seconds"]) == row["wall_seconds"]
        start, end = pd.Timestamp(action["startTime"]), pd.Timestamp(action["endTime"])
        assert start == pd.Timestamp(row["started"])
        assert abs((end - start).total_seconds() - row["wall_seconds"]) <= 0.5
        assert found[action["agent"]["@id"]]["name"] == "Ada Example"
    whole = found["#grid"]
    assert whole["instrument"] == found["./"]["mainEntity"] == {"@id": "Snakefile"}
    assert {"config/synthetic.yaml", "config/reference.csv", "#dataset-mnist"} <= set(references(whole["object"]))
    assert "results/synthetic/report.html" in set(references(whole["result"]))
    assert whole["startTime"] == min(found[f"#run-{one}"]["startTime"] for one in runs.index)
    assert whole["actionStatus"].endswith("CompletedActionStatus")


def test_a_grid_that_is_not_finished_is_not_called_completed(grid: Grid, tmp_path: Path) -> None:
    grid = copied(grid, tmp_path / "grid")
    runs = pd.read_csv(grid.results / "runs.csv")
    runs[1:].to_csv(grid.results / "runs.csv", index=False)
    write_crate(grid, tmp_path / "crate")
    found = entities(tmp_path / "crate")
    assert "actionStatus" not in found["#grid"] and "agent" not in found["#grid"]
    assert f"{len(runs) - 1} of {len(runs)} planned runs" in found["./"]["description"]


def test_the_digest_of_a_dataset_is_named_where_it_is_known(
    crate: Path, grid: Grid, digits_folder: Path, tmp_path: Path
) -> None:
    assert "identifier" not in entities(crate)["#dataset-mnist"]
    grid = copied(grid, tmp_path / "grid")
    for name in ("runs.csv", "config.yaml"):
        place = grid.results / name
        place.write_text(place.read_text().replace("mnist", "digits"))
    write_crate(Grid(**{**vars(grid), "data": digits_folder}), tmp_path / "crate")
    assert write_crate(grid, tmp_path / "other").without_digest == ["digits"]
    assert re.fullmatch("sha256:[0-9a-f]{64}", entities(tmp_path / "crate")["#dataset-digits"]["identifier"])


def test_a_name_that_no_address_may_hold_is_written_as_an_address(grid: Grid, tmp_path: Path) -> None:
    grid = copied(grid, tmp_path / "grid")
    recipe = tmp_path / "grid/my räcipe.yaml"
    recipe.write_text("extends: paper\ndescription: of my own\nsettings: {learning_rate: 0.3}\n")
    config = yaml.safe_load((grid.results / "config.yaml").read_text()) | {"recipe": str(recipe)}
    (grid.results / "config.yaml").write_text(yaml.safe_dump(config))
    write_crate(grid, tmp_path / "crate")
    found = entities(tmp_path / "crate")
    assert found["config/recipes/my%20r%C3%A4cipe.yaml"]["name"] == "config/recipes/my räcipe.yaml"
    assert (tmp_path / "crate/config/recipes/my räcipe.yaml").read_bytes() == recipe.read_bytes()
    assert "config/recipes/my%20r%C3%A4cipe.yaml" in set(references(found["#grid"]["object"]))


def test_tables_of_other_runs_are_warned_of(grid: Grid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    grid = copied(grid, tmp_path / "grid")
    folders = ["--results", str(grid.results.parent), "--figures", str(grid.figures.parent)]
    answer = CliRunner().invoke(app, ["crate", str(grid.config), str(tmp_path / "a.zip"), *folders])
    assert answer.exit_code == 0 and "out of date" in answer.stderr


def test_a_config_that_was_changed_since_is_warned_of(
    grid: Grid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(PROJECT)
    folders = ["--results", str(grid.results.parent), "--figures", str(grid.figures.parent)]
    edited = yaml.safe_load(grid.config.read_text())
    for seeds, is_warned in ((edited["seeds"], False), ([77], True)):
        config = tmp_path / grid.config.name
        config.write_text(yaml.safe_dump(edited | {"seeds": seeds}))
        answer = CliRunner().invoke(app, ["crate", str(config), str(tmp_path / f"{is_warned}.zip"), *folders])
        assert answer.exit_code == 0 and ("asks for other runs" in answer.stderr) == is_warned


def test_the_paper_the_authors_and_the_licence_are_those_of_the_citation(crate: Path) -> None:
    found = entities(crate)
    root = found["./"]
    assert found[root["license"]["@id"]]["@id"].endswith("/MIT")
    paper = found[root["citation"]["@id"]]
    assert paper["name"].startswith("Slot Machines: Discovering") and len(paper["author"]) == 2
    assert found[root["author"]["@id"]]["name"] == "The slotmachines maintainers"


def test_the_same_grid_gives_the_same_bytes(grid: Grid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_crate(grid, tmp_path / "now.zip")
    # Elsewhere and at another time, with files of another age.
    later = copied(grid, tmp_path / "later")
    for place in (tmp_path / "later").rglob("*"):
        os.utime(place, (0, 0))
    monkeypatch.setattr(time, "time", lambda: 2.0e9)
    write_crate(later, tmp_path / "later.zip")
    assert (tmp_path / "now.zip").read_bytes() == (tmp_path / "later.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "now.zip") as archive:
        assert archive.testzip() is None and "ro-crate-metadata.json" in archive.namelist()


def test_what_is_missing_or_in_use_is_one_line_and_nothing_is_written(grid: Grid, tmp_path: Path) -> None:
    own = tmp_path / "mine"
    own.mkdir()
    (own / "thesis.tex").write_text("precious")
    with pytest.raises(UserError, match="exists already"):
        write_crate(grid, own)
    assert (own / "thesis.tex").read_text() == "precious"
    (tmp_path / "folder.zip").mkdir()
    with pytest.raises(UserError, match="exists already"):
        write_crate(grid, tmp_path / "folder.zip")
    with pytest.raises(UserError, match="Snakefile"):
        write_crate(Grid(**{**vars(grid), "project": tmp_path}), tmp_path / "crate")
    broken = copied(grid, tmp_path / "broken")
    (broken.results / "tables/k-sweep.csv").unlink()
    with pytest.raises(UserError, match=r"k-sweep\.csv does not exist; run the grid first"):
        write_crate(broken, tmp_path / "crate")
    (broken.results / "runs.csv").unlink()
    with pytest.raises(UserError, match=r"runs\.csv does not exist; run the grid first"):
        write_crate(broken, tmp_path / "crate")
    assert not (tmp_path / "crate").exists()


@pytest.mark.parametrize("name", ["crate.zip", "crate"])
def test_a_full_disk_leaves_what_was_there(
    name: str, grid: Grid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / name
    if name.endswith(".zip"):
        output.write_text("the crate of yesterday")

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", fail)
    monkeypatch.setattr(Path, "write_bytes", fail)
    before = {path: path.read_text() for path in tmp_path.rglob("*")}
    with pytest.raises(UserError, match="No space left"):
        write_crate(grid, output)
    assert {path: path.read_text() for path in tmp_path.rglob("*")} == before


def test_the_verb_writes_the_crate_of_a_committed_grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    output = tmp_path / "crate.zip"
    answer = CliRunner().invoke(
        app, ["crate", "config/confirmation.yaml", str(output), "--agent", "Ada Example", "--published", "2026-12-01"]
    )
    assert answer.exit_code == 0, answer.output
    with zipfile.ZipFile(output) as archive:
        graph = json.loads(archive.read("ro-crate-metadata.json"))["@graph"]
    (root,) = (entity for entity in graph if entity["@id"] == "./")
    assert root["datePublished"] == "2026-12-01"
