"""The report page holds everything, needs nothing from outside, and never imports torch."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markupsafe import escape
from matplotlib.figure import Figure

import slotpipeline
from slotmachines.errors import UserError
from slotpipeline.experiments.outcomes import grid_results
from slotpipeline.experiments.registry import EXPERIMENTS
from slotpipeline.reporting.claim_table import claims_of_grid
from slotpipeline.reporting.claim_words import counted
from slotpipeline.reporting.drawing import finish, save
from slotpipeline.reporting.report import other_grids, write_report
from slotpipeline.reporting.run_origins import provenance
from slotpipeline.reporting.scoreboard import counts, scoreboard, sentence
from slotpipeline.reporting.sources import KEY, OVERVIEWS, numbers_digest, page_source, picture_source, report_digest
from slotpipeline.reporting.style import panels
from slotpipeline.reporting.summary import write_summary
from slotpipeline.reporting.tables import CHOSEN
from slotpipeline.results.claims_file import read_registration
from slotpipeline.results.read import Results, read_results, read_runs
from synthetic import NOTE, REFERENCE, grid, make_config, make_results, write_grid

__all__ = ["grid"]
PROJECT = REFERENCE.parents[1]


@pytest.fixture(scope="session")
def figures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small pictures under the names of the figures."""
    folder = tmp_path_factory.mktemp("figures")
    figure, (axes,) = panels(1)
    axes.plot([0, 1], label="line", color="#0072B2")
    save(finish(figure, "paper", "NAME drawn", [], ["A caption."]), folder / "drawn.png", "0123")
    drawn = (folder / "drawn.svg").read_text(encoding="utf-8")
    for name in [*make_config()["experiments"], *OVERVIEWS]:
        (folder / f"{name}.svg").write_text(drawn.replace("NAME", name), encoding="utf-8")
        shutil.copy(folder / "drawn.png", folder / f"{name}.png")
    return folder


@pytest.fixture(scope="session")
def page(grid: Path, figures: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The report of a made-up grid with every experiment."""
    return render(grid, figures, tmp_path_factory.mktemp("page") / "report.html")


def render(folder: Path, figures: Path, output: Path) -> str:
    write_report(read_results(folder, REFERENCE), figures, output)
    return output.read_text(encoding="utf-8")


class Tags(HTMLParser):
    """Open tags, to see that every one is closed, and all elements."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def all(self, name: str) -> list[str]:
        """The values of an attribute, wherever it is."""
        return [attributes[name] or "" for _, attributes in self.elements if name in attributes]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_well_formed_and_self_contained(page: str) -> None:
    tags = Tags(page)
    assert tags.open == []
    ids, links = tags.all("id"), tags.all("href")
    assert len(ids) == len(set(ids))
    assert all(link[1:] in ids for link in links if link.startswith("#"))
    assert set(EXPERIMENTS) | {"score", "curves", "provenance", "runs"} <= set(ids)
    assert {f"{name}-figure" for name in (*EXPERIMENTS, *OVERVIEWS)} <= set(ids)
    # Nothing is loaded: pictures, styles and scripts are in the page.
    assert tags.all("src") == [] and not any(tag in ("link", "img") for tag, _ in tags.elements)
    assert not re.search(r"https?:(?!//www.w3.org/2000/svg)", "".join(links) + "".join(tags.all("style")))
    assert "@import" not in page and not re.search(r"url\((?!#)", page)


def test_files_of_the_project_that_the_page_names_are_where_it_says(page: str) -> None:
    files = {link for link in Tags(page).all("href") if not link.startswith("#")}
    scripts = {link.removeprefix("../../") for link in files if link.endswith(".py")}
    assert len(scripts) == len(EXPERIMENTS) + len(OVERVIEWS) and all((PROJECT / script).is_file() for script in scripts)
    assert {f"tables/{name}.{ending}" for name in EXPERIMENTS for ending in ("csv", "tex")} <= files
    assert {f"../../figures/synthetic/{name}.png" for name in (*EXPERIMENTS, *OVERVIEWS)} <= files


def test_a_number_leads_to_its_runs(page: str, grid: Path) -> None:
    runs = read_runs(grid / "runs.csv")
    for link in set(re.findall(r'href="(#runs-\w+)">', page)):
        (listed,) = re.findall(rf'<details id="{link[1:]}">.*?</details>', page, flags=re.DOTALL)
        found = [one for one in runs.itertuples() if f"<td>{one.identity}</td>" in listed]
        assert found and all(f"<td>{one.test_accuracy:.2f}</td>" in listed for one in found)
    assert all(f"<td>{identity}</td>" in page for identity in runs["identity"])


def test_what_can_be_heard_and_reached_without_a_mouse(page: str) -> None:
    tags = Tags(page)
    assert all(attributes.get("scope") in ("col", "row") for tag, attributes in tags.elements if tag == "th")
    drawings = [attributes for tag, attributes in tags.elements if tag == "svg" and "role" in attributes]
    assert len(drawings) == len(EXPERIMENTS) + len(OVERVIEWS)
    assert all(one["role"] == "img" and 0 < len(one["aria-label"] or "") < 80 for one in drawings)
    assert page.count("<figcaption>A caption.") == len(drawings)
    assert '<a class="skip" href="#main">' in page
    sortable = [attributes for tag, attributes in tags.elements if tag == "table" and "class" in attributes]
    assert page.count("<caption>") == len(sortable)


def test_claims_come_first_with_verdict_numbers_and_a_link(figures: Path, tmp_path: Path) -> None:
    config = make_config({"lenet": "mnist"}, experiments=["k-sweep", "selection"])
    config |= {"grid": "confirmation", "settings": {}, "seeds": list(range(5, 15))}
    results = replace(make_results(config), registration=read_registration(PROJECT))
    write_report(results, figures, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    claims = claims_of_grid(results)
    judged = claims.judged if claims else []
    tested = [one for one in judged if one.verdict != "not run"]
    (section,) = re.findall(r'<main id="main">\s*<section id="claims">(.*?)</section>', page, flags=re.DOTALL)
    assert claims is not None and counted(judged, claims.mark) in section and tested
    board = scoreboard([results])
    assert escape(sentence(board)) in page
    for verdict, count in counts(board).items():
        assert f'"><b>{count}</b><span>{verdict}</span></li>' in page
    for one in tested:
        (row,) = [row for row in re.findall(r"<tr>.*?</tr>", section, flags=re.DOTALL) if one.claim.sentence in row]
        assert f'<span class="verdict {one.verdict.replace(" ", "-")}">{one.verdict}' in row
        assert f"of {one.seeds}<" in row
        assert re.search(r'<a href="#(k-sweep|selection)">', row)
    assert f"<summary>Not run: {len(judged) - len(tested)} claims</summary>" in section


def test_a_grid_without_a_verdict_shows_no_zeros_and_where_the_verdicts_are(figures: Path, tmp_path: Path) -> None:
    config = make_config({"conv2": "cifar10"}, experiments=["k-sweep"]) | {"grid": "paper"}
    results = replace(make_results(config), registration=read_registration(PROJECT), project=PROJECT)
    write_report(results, figures, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    (section,) = re.findall(r'<section id="claims">(.*?)</section>', page, flags=re.DOTALL)
    assert "CIFAR-10" in section and '<a href="../confirmation/report.html#claims">' in section
    assert 'class="score"' not in page


def test_an_exploratory_grid_says_that_it_decides_no_claim(page: str, grid: Path) -> None:
    assert "This grid is exploratory: its runs decide no registered claim." in page
    assert sentence(scoreboard([read_results(grid, REFERENCE)])) not in page and 'class="score"' not in page


def test_cells_that_were_not_run_stand_behind_their_number(page: str) -> None:
    (section,) = re.findall(r'<section id="selection">.*?</section>', page, flags=re.DOTALL)
    assert "<summary>Not run: 2 cells</summary>" in section
    shown, _, hidden = section.partition("<summary>Not run")
    assert "not run" not in shown and hidden.count("<tr>") == 3


def test_the_page_says_what_was_found_and_what_ran(page: str, grid: Path) -> None:
    assert "1 of 3" in page
    assert "made up" in page
    assert "2024-01-01 to 2024-01-03" in page
    assert "0123abc" in page
    assert "paper-glorot" in page
    assert page.count(NOTE) == 2  # once said, once in the list of what ran
    assert "Published numbers of LeNet greedy K = 2, 4, 8, 64; LeNet learned" in page
    assert "Holm" in page
    assert CHOSEN in page
    assert not re.search(r"\bnan\b|<NA>|&lt;NA&gt;|\bNone\b", page)


def test_every_table_has_as_many_columns_as_its_head(page: str) -> None:
    for table in re.findall(r"<table.*?</table>", page, flags=re.DOTALL):
        rows = [len(re.findall(r"<t[hd][ >]", row)) for row in re.findall(r"<tr.*?</tr>", table, flags=re.DOTALL)]
        assert len(rows) > 1 and len(set(rows)) == 1


def test_the_same_results_give_the_same_page_and_summary(page: str, grid: Path, figures: Path, tmp_path: Path) -> None:
    assert render(grid, figures, tmp_path / "again.html") == page
    for name in ("a.json", "b.json"):
        write_summary(read_results(grid, REFERENCE), tmp_path / name)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_another_dataset_scores_nothing(figures: Path, tmp_path: Path) -> None:
    folder = write_grid(tmp_path / "digits", make_config({"lenet": "digits"}))
    page = render(folder, figures, tmp_path / "report.html")
    assert "The paper has no number for" in page
    assert "98.21 on MNIST" in page


def test_a_grid_without_runs_still_has_a_page(figures: Path, tmp_path: Path) -> None:
    folder = write_grid(tmp_path / "grid", make_config(), keep_runs=False)
    page = render(folder, figures, tmp_path / "report.html")
    assert "give no verdict" in page
    assert page.count("not enough runs yet to say anything") >= 2 * len(EXPERIMENTS)


def test_text_of_a_config_cannot_break_the_page(grid: Path, figures: Path, tmp_path: Path) -> None:
    results = read_results(grid, REFERENCE)
    results = replace(results, config={**results.config, "description": "<b>K < 8 & more"})
    write_report(results, figures, tmp_path / "report.html")
    assert "&lt;b&gt;K &lt; 8 &amp; more" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_missing_picture_is_an_error_and_leaves_no_page(grid: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="draw the figures"):
        render(grid, tmp_path, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_a_page_of_another_grid_is_linked_if_it_has_published_numbers(grid: Path, tmp_path: Path) -> None:
    for name, networks in (("other", {"lenet": "mnist"}), ("trial", {"lenet": "digits"})):
        write_grid(tmp_path / "results" / name, {**make_config(networks, experiments=["k-sweep"]), "grid": name})
    results = replace(read_results(grid, REFERENCE), project=tmp_path)
    assert set(other_grids(results)) == {"other"}


@pytest.mark.parametrize(
    ("devices", "same", "different"),
    [(["cpu", "cpu"], True, False), (["cpu", "NVIDIA H200"], True, True), (["NVIDIA H200"] * 2, False, True)],
)
def test_provenance_says_where_a_repeated_run_can_differ(grid: Path, devices, same: bool, different: bool) -> None:
    text = provenance(read_runs(grid / "runs.csv").iloc[:2].assign(device=devices))["To repeat a run"]
    assert ("give the same bits on the same kind of processor" in text) == same
    assert ("do not give the same bits on a GPU" in text) == different


def test_provenance_adds_up_the_hours(grid: Path) -> None:
    runs = read_runs(grid / "runs.csv")
    assert provenance(runs)["Runs"] == str(len(runs))
    assert provenance(runs.iloc[:2].assign(wall_seconds=3600.0))["Wall time, summed over runs"] == "2.0 h"


# What a figure was made from


def digests_of(results: Results) -> dict[str, str]:
    return {name: numbers_digest(results, name, found) for name, found in grid_results(results).items()}


def test_a_figure_is_out_of_date_when_its_own_numbers_change() -> None:
    results = make_results()
    digests = digests_of(results)
    assert digests == digests_of(make_results())
    learned = (results.runs["method"] == "learned").astype(float)
    changed = replace(results, runs=results.runs.assign(test_accuracy=results.runs["test_accuracy"] + learned))
    stale = {name for name, digest in digests_of(changed).items() if digest != digests[name]}
    also = {"connections-changed", "bits", "tuning", "against-tuned"}
    assert stale == {"k-sweep", "cost", "finetune", "finetune-checkpoints", "rivals", "vgg"} | also
    described = replace(results, config={**results.config, "description": "other words"})
    assert digests_of(described) == digests


def test_a_page_says_what_it_was_made_from(grid: Path, figures: Path, tmp_path: Path) -> None:
    results = read_results(grid, REFERENCE)
    write_report(results, figures, tmp_path / "report.html")
    assert page_source(tmp_path / "report.html") == report_digest(results, grid_results(results))
    (tmp_path / "older.html").write_bytes(b"<html>\xff</html>")
    assert page_source(tmp_path / "older.html") is None


def test_a_picture_says_what_it_was_made_from(tmp_path: Path) -> None:
    Figure(figsize=(1, 1)).savefig(tmp_path / "with.png", metadata={KEY: "0123"})
    Figure(figsize=(1, 1)).savefig(tmp_path / "without.png")
    (tmp_path / "damaged.png").write_bytes(b"no picture")
    names = ("with", "without", "damaged", "missing")
    assert [picture_source(tmp_path / f"{name}.png") for name in names] == ["0123", None, None, None]


def test_planning_and_reporting_do_not_import_torch() -> None:
    """What a function imports when it is called, import-linter sees; this also counts what other packages import."""
    floors = ("runs", "experiments", "planning", "results", "analysis", "reporting")
    source = Path(slotpipeline.__path__[0])
    modules = [f"slotpipeline.{floor}.{file.stem}" for floor in floors for file in (source / floor).glob("*.py")]
    assert {"slotpipeline.experiments.grid", "slotpipeline.reporting.report"} <= set(modules)
    code = "; ".join([*(f"import {module}" for module in modules), "import sys; sys.exit('torch' in sys.modules)"])
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
