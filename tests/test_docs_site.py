"""The documentation site: pages are gathered with links that lead to files, and built links are checked."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import slotmachines
from docs.site.assemble import BrokenLink, assemble, report_rewritten, rewritten, with_all_pages
from docs.site.check_links import broken_links
from docs.site.draw_method import SCORES, VALUES, breaks, lines, selected

PROJECT = Path(__file__).parents[1]


def pages_of(entries: Any) -> list[str]:
    """The pages of a navigation, however deep."""
    if isinstance(entries, str):
        return [entries]
    parts = entries.values() if isinstance(entries, dict) else entries
    return [page for part in parts for page in pages_of(part)]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("docs/method.md", "docs/tutorial.md", "results/mnist/report.html", "README.md", "config/paper.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("# Text\n")
    return tmp_path


def test_links_are_those_of_the_site(project: Path) -> None:
    text = "[a](docs/method.md#text) [b](results/mnist/report.html) [c](https://x.org/docs/method.md)"
    assert rewritten(text, "README.md", project) == (
        "[a](method.md#text) [b](results/mnist/report.html) [c](https://x.org/docs/method.md)",
        ["docs/method.md", "results/mnist/report.html"],
    )
    text, found = rewritten(
        "[`a`](tutorial.md) [b](../config/paper.yaml) [c](../README.md#x)", "docs/method.md", project
    )
    assert text == "[`a`](tutorial.md) [b](config/paper.yaml) [c](index.md#x)"
    assert found == ["docs/tutorial.md", "config/paper.yaml", "README.md"]


def test_links_of_deeper_pages_lead_up(project: Path) -> None:
    text, _ = rewritten("[a](../../docs/method.md) [b](report.html)", "results/mnist/table.md", project)
    assert text == "[a](../../method.md) [b](../../results/mnist/report.html)"


def test_code_and_marks(project: Path) -> None:
    text, found = rewritten("<!-- begin x -->\n```\n[a](nothing.md)\n```\n<!-- end x -->\n", "README.md", project)
    assert text == "```\n[a](nothing.md)\n```\n" and not found


def test_a_link_that_leads_nowhere_ends_the_build(project: Path) -> None:
    with pytest.raises(BrokenLink, match=r"README.md links to docs/nothing.md, which does not exist"):
        rewritten("[a](docs/nothing.md)", "README.md", project)


def test_what_is_still_to_be_reported_becomes_text(project: Path) -> None:
    text, found = rewritten(
        "![f](figures/confirmation/a.png) [r](results/confirmation/report.html)", "README.md", project
    )
    assert "](" not in text and not found


def test_a_report_brings_its_files_and_drops_links_to_missing_ones(project: Path) -> None:
    (project / "figures").mkdir()
    (project / "figures/a.png").write_text("")
    text = '<a href="#top">t</a> <a class="x" href="../../figures/a.png">PNG</a> <a href="../../figures/a.svg">SVG</a>'
    kept, found = report_rewritten(text, "results/mnist/report.html", project)
    assert kept == text.replace('<a href="../../figures/a.svg">SVG</a>', "SVG")
    assert found == ["figures/a.png"]


def test_broken_links_of_a_built_site_are_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<h1 id="top"></h1><a href="b.html#part"></a><a href="#top"></a><a href="c.html"></a>'
    )
    (tmp_path / "b.html").write_text('<h2 id="other"></h2><img src="picture.png"><a href="https://x.org"></a>')
    assert broken_links(tmp_path) == ["a.html: b.html#part", "a.html: c.html", "b.html: picture.png"]


def test_the_navigation_holds_every_page_once() -> None:
    settings = (PROJECT / "docs/site/mkdocs.yml").read_text()
    there = {page.name for page in (PROJECT / "docs").glob("*.md")} | {"index.md", "answer.md"}
    listed = pages_of(yaml.safe_load(settings)["nav"])
    assert len(set(listed)) == len(listed)
    examples = {f"gallery/{script.stem}.md" for script in (PROJECT / "docs/gallery").glob("*.py")}
    assert set(listed) - there == examples
    whole = with_all_pages(settings, [*there, "new-page.md", "results/claims.md"])
    assert sorted(pages_of(yaml.safe_load(whole)["nav"])) == sorted([*there, *examples, "new-page.md"])


def test_the_reference_has_every_public_name() -> None:
    listed = re.findall(r"^::: slotmachines\.[\w.]+\.(\w+)$", (PROJECT / "docs/api.md").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(slotmachines.__all__)


def test_the_picture_of_the_method_shows_what_the_method_selects() -> None:
    theta = np.array([-1.4, -0.3, 0.0, 0.5, 1.4])
    best = [max(range(4), key=lambda k: float(SCORES[k] + VALUES[k] * one)) for one in theta]
    assert selected(theta).tolist() == best == [0, 1, 1, 2, 3]
    assert all(np.ptp(np.sort(lines(np.array([low]))[:, 0])[-2:]) < 1e-12 for low in breaks())  # two lines meet


@pytest.mark.slow
def test_all_pages_can_be_gathered(tmp_path: Path) -> None:
    places = assemble(tmp_path, gallery=False)
    assert {"index.md", "answer.md", "method.md", "results/mnist/report.html"} <= set(places)
    assert all((tmp_path / "pages" / place).is_file() for place in places)
    assert "Of 19 registered claims" in (tmp_path / "pages/answer.md").read_text()
    assert (tmp_path / "mkdocs.yml").is_file() and (tmp_path / "pages/assets/iframe-worker.js").is_file()
