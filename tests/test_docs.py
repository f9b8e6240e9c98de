"""README and the pages in docs/: what is generated is current, links and names lead somewhere, code runs."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from torch import nn

from slotpipeline import cli, results_verbs
from slotpipeline.analysis.claim_verdicts import ClaimVerdict
from slotpipeline.reporting.exploratory import _both_contradicted, _headline

PROJECT = Path(__file__).parents[1]
PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
# What `make report` writes of a grid, so that a link may stand before the grid's first report.
GENERATED = re.compile(r"results/claims\.md|results/confirmation/.+|figures/confirmation/.+")
FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
README_WORDS = 330  # written by hand; with what is generated when all claims on MNIST are tested, about 900
ANSWER_WORDS = 150


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def marked(text: str, name: str) -> str:
    return text.partition(f"<!-- begin {name} -->")[2].partition(f"<!-- end {name} -->")[0]


def words(text: str) -> int:
    """Words that a reader sees: no marks, no targets of links, no lines of tables."""
    text = re.sub(r"<!--.*?-->|\]\([^)]*\)", " ", text)
    return sum(bool(re.search(r"\w", word)) for word in text.split())


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def ids(page: Path) -> str:
    return page.relative_to(PROJECT).as_posix()


@pytest.mark.slow
def test_the_generated_parts_of_the_readme_are_those_of_the_committed_results(tmp_path, monkeypatch):
    """`make report` would change nothing."""
    monkeypatch.chdir(PROJECT)
    page = tmp_path / "README.md"
    shutil.copy(PROJECT / "README.md", page)
    grids = [Path("results", name) for name in ("confirmation", "paper", "mnist")]
    grids = [grid for grid in grids if (grid / "runs.csv").is_file()]
    results_verbs.readme(Path("config/reference.csv"), grids, page)
    committed = (PROJECT / "README.md").read_text(encoding="utf-8")
    for name in ("answer", "claims", "scoreboard", "grids"):
        assert marked(page.read_text(encoding="utf-8"), name) == marked(committed, name), f"run make report: {name}"


def test_the_readme_answers_first_and_is_short():
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    before, answer = text.partition("<!-- begin answer -->")[0], marked(text, "answer")
    assert words(before) < 20  # two headings
    assert words(answer) >= ANSWER_WORDS
    generated = sum(words(marked(text, name)) for name in ("answer", "claims", "scoreboard", "grids"))
    assert words(FENCE.sub("", text)) - generated < README_WORDS


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_links_lead_to_files_and_headings(page: Path):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.is_relative_to(PROJECT), target
        if not file.exists():
            assert GENERATED.fullmatch(file.relative_to(PROJECT).as_posix()), f"{target} does not exist"
        elif anchor:
            assert anchor in anchors(file), f"{target}: no such heading"


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_files_that_are_named_exist(page: Path):
    """Names in backticks; docs/extending.md names files that the reader is to make."""
    if page.name == "extending.md":
        return
    for name in re.findall(r"`((?:src|config|tests|docs|workflow|benchmarks|profiles)/[\w./-]*\w)`", prose(page)):
        assert (PROJECT / name).exists(), name


def commands(page: Path) -> list[list[str]]:
    """The calls of `slotmachines` and `make` on a page, as words."""
    text = page.read_text(encoding="utf-8")
    lines = re.findall(r"^(?:    |)((?:slotmachines|make) .*)$", text, re.MULTILINE)
    lines += re.findall(r"`((?:slotmachines|make) [^`]*)`", text)
    return [shlex.split(line.partition("  #")[0].partition(" > ")[0].partition(" && ")[0]) for line in lines]


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_commands_and_their_options_exist(page: Path):
    verbs = {verb.__name__.replace("_", "-"): verb for verb in [*cli.TRAINING, *cli.WORKFLOW]}
    targets = set(re.findall(r"^([\w./-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    helps = {command.name: command for command in app_commands()}
    for program, name, *more in commands(page):
        if program == "make":
            assert name in targets or "=" in name or name in {"-j", "--no-print-directory"}, name
        elif not name.startswith("-") and not name.isupper():  # options, and what stands for any verb
            assert name in verbs, name
            options = {
                option for parameter in helps[name].params for option in parameter.opts + parameter.secondary_opts
            }
            given = {word.partition("=")[0] for word in more if word.startswith("--")}
            assert given <= options | {"--help"}, (name, given - options)


def app_commands() -> list[Any]:
    import typer

    group: Any = typer.main.get_command(cli.app)
    return list(group.commands.values())


def python_blocks(name: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", (PROJECT / name).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def test_the_code_of_the_readme_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    (code,) = python_blocks("README.md")
    exec(code.replace('"conv6"', '"lenet"').replace("conv1.weight", "dense1.weight"), names)  # the same, smaller
    assert (tmp_path / "conv6.ticket.safetensors").stat().st_size < 120_000


def test_the_code_of_the_page_on_rivals_runs():
    names: dict[str, Any] = {"network": nn.Sequential()}
    names["network"].add_module("layer", nn.Linear(8, 4))
    (code,) = python_blocks("docs/rivals.md")
    before = names["network"].layer.weight.shape
    exec(code, names)
    assert names["network"].layer.weight.shape == before
    assert isinstance(names["network"].layer.weight, nn.Parameter)


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_the_code_that_readers_copy_imports_public_names_only(page: Path):
    """docs/promises.md: modules below `slotmachines` may change. docs/extending.md shows files of the library."""
    if page.name != "extending.md":
        assert not re.search(r"(?:from|import) slotmachines\.\w+", page.read_text(encoding="utf-8"))


def test_each_page_can_be_reached_from_the_readme():
    linked, waiting = set(), [PROJECT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in linked:
            continue
        linked.add(page)
        for target in re.findall(r"\]\(([^)\s#]+\.md)(?:#[^)]*)?\)", prose(page)):
            file = (page.parent / target).resolve()
            if file in PAGES:
                waiting.append(file)
    assert {page.name for page in PAGES} == {page.name for page in linked}


def test_the_headline_says_no_more_than_the_means():
    def found(*differences):
        return [
            SimpleNamespace(mean=98 + one, paper=SimpleNamespace(value=98.0), tolerance=0.15) for one in differences
        ]

    near, far = found(0.1, -0.1), found(0.1, -0.5)
    assert "neither the paper's text nor the released code gives the paper's numbers" in _headline(far, far, near)

    def judged(verdict, is_final):
        return SimpleNamespace(verdict=verdict, is_final=is_final)

    no, not_yet = judged(ClaimVerdict.CONTRADICTED, True), judged(ClaimVerdict.CONTRADICTED, False)
    assert _both_contradicted({"paper": no, "code": no})
    for verdicts in ({"paper": no}, {"paper": no, "code": not_yet}):
        assert not _both_contradicted(verdicts)
    for text, code, ours, said in ((near, far, near, "the text's, ours."), (far, far, far, "none.")):
        assert _headline(text, code, ours).endswith(f"numbers: {said}")
