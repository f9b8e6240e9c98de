"""The report page holds everything, needs nothing from outside, and never imports torch."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure

import slotmachines
from slotmachines.errors import UserError
from slotmachines.replication.config import read_config
from slotmachines.reporting.report import costs, main_table_text, provenance, write_report
from slotmachines.reporting.results import read_runs
from slotmachines.reporting.summary import write_summary
from synthetic import NOTE, REFERENCE, grid, make_config, write_grid

__all__ = ["grid"]


@pytest.fixture(scope="session")
def figures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small pictures under the names of the figures."""
    folder = tmp_path_factory.mktemp("figures")
    for name in [*make_config()["experiments"], "curves"]:
        Figure(figsize=(1, 1)).savefig(folder / f"{name}.png")
    return folder


def render(folder: Path, figures: Path, output: Path) -> str:
    write_report(read_config(folder / "config.yaml"), folder, figures, REFERENCE, output)
    return output.read_text(encoding="utf-8")


class Tags(HTMLParser):
    """Open tags, to see that every one is closed, and all attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += attrs
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_well_formed_and_self_contained(grid: Path, figures: Path, tmp_path: Path) -> None:
    page = render(grid, figures, tmp_path / "report.html")
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    links = [value or "" for name, value in tags.attributes if name in ("src", "href")]
    assert all(link.startswith(("data:image/png;base64,", "#")) for link in links)
    assert sum(link.startswith("data:") for link in links) == 5
    ids = {value for name, value in tags.attributes if name == "id"}
    assert all(link[1:] in ids for link in links if link.startswith("#"))
    assert "url(" not in page
    assert "@import" not in page
    assert "<script" not in page


def test_the_page_says_what_was_found_and_what_ran(grid: Path, figures: Path, tmp_path: Path) -> None:
    page = render(grid, figures, tmp_path / "report.html")
    assert re.search(r"\d+ of the 20 published numbers in reach", page)
    assert "1 of 3" in page
    assert "made up" in page
    assert "2024-01-01 to 2024-01-03" in page
    assert "0123abc" in page
    assert "paper-glorot" in page
    assert page.count(f"<li>Data: CIFAR-10, {NOTE}.</li>") == 4
    assert "The paper&#39;s numbers of LeNet greedy K = 2, 4, 8, 64; LeNet learned" in page
    assert "known only as a range" in page


def test_the_same_results_give_the_same_page_and_summary(grid: Path, figures: Path, tmp_path: Path) -> None:
    assert render(grid, figures, tmp_path / "a.html") == render(grid, figures, tmp_path / "b.html")
    config = read_config(grid / "config.yaml")
    for name in ("a.json", "b.json"):
        write_summary(config, grid / "runs.csv", REFERENCE, tmp_path / name)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_another_dataset_scores_nothing(figures: Path, tmp_path: Path) -> None:
    folder = write_grid(tmp_path / "digits", make_config({"lenet": "digits"}))
    page = render(folder, figures, tmp_path / "report.html")
    assert "No published number is in reach of this grid" in page
    assert "98.21 on MNIST" in page


def test_a_grid_without_runs_still_has_a_page(grid: Path, figures: Path, tmp_path: Path) -> None:
    header = (grid / "runs.csv").read_text().splitlines()[0]
    (tmp_path / "runs.csv").write_text(header + "\n")
    shutil.copy(grid / "config.yaml", tmp_path)
    assert "0 of the 20 published numbers" in render(tmp_path, figures, tmp_path / "report.html")


def test_text_of_a_config_cannot_break_the_page(grid: Path, figures: Path, tmp_path: Path) -> None:
    config = read_config(grid / "config.yaml") | {"description": "<b>K < 8 & more"}
    write_report(config, grid, figures, REFERENCE, tmp_path / "report.html")
    assert "&lt;b&gt;K &lt; 8 &amp; more" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_missing_picture_is_an_error_and_leaves_no_page(grid: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="draw the figures"):
        render(grid, tmp_path, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_the_main_table_for_the_terminal_has_every_cell_once(grid: Path) -> None:
    text = main_table_text(read_config(grid / "config.yaml"), grid / "runs.csv", REFERENCE)
    text, note = text.split("\n\n")
    assert note == f"Data: CIFAR-10, {NOTE}."
    cells = [tuple(line.split()[:4]) for line in text.splitlines()[2:]]
    assert len(cells) == len(set(cells)) == 18
    assert cells[0] == ("MNIST", "LeNet", "greedy", "2")
    assert "reproduced" in text


def test_provenance_adds_up_the_hours(grid: Path) -> None:
    runs = read_runs(grid / "runs.csv")
    assert provenance(runs)["Runs"] == str(len(runs))
    assert provenance(runs.iloc[:2].assign(wall_seconds=3600.0))["Wall time, summed over runs"] == "2.0 h"
    table = costs(runs)
    assert table["runs"].astype(int).sum() == len(runs)
    assert isinstance(table, pd.DataFrame)


def test_nothing_here_imports_torch() -> None:
    packages = [Path(slotmachines.__path__[0]) / name for name in ("replication", "reporting")]
    files = [file for package in packages for file in package.glob("*.py")]
    assert {"grid", "report"} <= {file.stem for file in files}
    lines = [f"import slotmachines.{file.parent.name}.{file.stem}" for file in files]
    code = "; ".join([*lines, "import sys; sys.exit('torch' in sys.modules)"])
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
