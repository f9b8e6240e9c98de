"""docs/extending.md does what it says: a network, a dataset, a method and an experiment are added to a copy."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).parents[1]
PAGE = (PROJECT / "docs/extending.md").read_text()


def blocks(section: str, language: str) -> list[str]:
    """The code of a section of the page."""
    _, _, text = PAGE.partition(f"## {section}\n")
    text = re.split(r"^## ", text, flags=re.MULTILINE)[0]
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def linked_examples(section: str) -> list[str]:
    """The files that a section says to copy, relative to docs/."""
    text = re.split(r"^## ", PAGE.partition(f"## {section}\n")[2], flags=re.MULTILINE)[0]
    return re.findall(r"\]\((examples/\w+\.py)\)", text)


def commands(number: int, section: str = "Training") -> list[list[str]]:
    """The words of the commands of a block of a section."""
    return [shlex.split(line) for line in blocks(section, "sh")[number].splitlines()]


def add_line(registry: Path, line: str, number: int = 0) -> None:
    """Put a line, which has a plus before it, to the end of a list of the module."""
    assert line.startswith("+    ") and line.count("\n") == 1
    parts = re.split(r"(\n[)}]\n)", registry.read_text())
    parts[2 * number] += f"\n{line[1:].rstrip()}"
    registry.write_text("".join(parts))


def call(project: Path, words: list[str]) -> str:
    """What a command prints, called as from a shell in the project, but with the programs of this environment."""
    paths = f"{project / 'src'}{os.pathsep}{project}"
    environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    environment["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment.pop("SLOTMACHINES_DATA", None)
    answer = subprocess.run(words, cwd=project, env=environment, text=True, capture_output=True, timeout=900)
    assert answer.returncode == 0, (answer.stdout + answer.stderr)[-3000:]
    return answer.stdout + answer.stderr


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project to which the page was applied."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("src", "workflow", "config", "profiles", "tests", "benchmarks", "docs", "results/benchmark"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Snakefile", "environment.yml", "pyproject.toml", "README.md", "Makefile"):
        shutil.copy(PROJECT / name, folder)
    files = {
        "A network": (["src/slotmachines/networks/strided.py"], ["slotmachines/networks/names.py"]),
        "A dataset": (["src/slotpipeline/data/photos.py"], ["slotpipeline/data/datasets.py"]),
        "A method": (
            ["src/slotmachines/rivals/flip_popup.py"],
            ["slotmachines/methods.py", "slotpipeline/runs/authors_recipes.py"],
        ),
        "An experiment": (
            ["src/slotpipeline/experiments/score_ranges.py", "workflow/figures/accuracy_by_score_range.py"],
            ["slotpipeline/experiments/registry.py"] * 2,  # its import, and its list
        ),
    }
    for section, (new, lists) in files.items():
        examples = [(PROJECT / "docs" / name).read_text() for name in linked_examples(section)]
        for file, text in zip(new, blocks(section, "python") + examples, strict=True):
            assert f"`{file}`" in PAGE and not (folder / file).exists()
            (folder / file).write_text(text)
        for number, (name, line) in enumerate(zip(lists, blocks(section, "diff"), strict=True)):
            assert f"`src/{name}`" in PAGE
            add_line(folder / "src" / name, line, lists[:number].count(name))
    return folder


def test_the_new_network_is_trained_on_the_new_dataset(project: Path) -> None:
    for words in commands(0, "A network"):  # on images that are resized
        call(project, words)
    fetch, train = commands(0)
    assert "photos is at data/photos.safetensors" in call(project, fetch)
    said = call(project, train)
    (metrics,) = project.glob("runs/strided-photos/greedy-k8/seed0-*/metrics.json")
    assert str(metrics.parent.relative_to(project)) in said
    trained = json.loads(metrics.read_text())
    assert (trained["network"], trained["dataset"], trained["epochs"]) == ("strided", "photos", 20)
    assert trained["settings"]["validation"] == 36  # a tenth
    assert trained["test_accuracy"] > 70  # of two photographs


def test_a_grid_with_both_is_planned_at_an_unknown_time(project: Path) -> None:
    (grid,) = blocks("Training", "yaml")
    (project / "config/photos.yaml").write_text(grid)
    status, snakemake = commands(1)
    said = call(project, status)
    assert "0 of 9 are finished" in said and "strided on photos" in said
    planned = call(project, [*snakemake, "-n"])
    assert re.search(r"^train +9$", planned, flags=re.MULTILINE)
    assert "mem_mb=8603" in planned


def test_the_new_method_is_trained_and_stands_among_the_rivals(project: Path) -> None:
    fetch, train = commands(0, "A method")
    call(project, fetch)
    call(project, train)
    (metrics,) = project.glob("runs/lenet-digits/flip_popup/seed0-*/metrics.json")
    trained = json.loads(metrics.read_text())
    assert (trained["settings"]["method_settings"], trained["recipe"]) == ({"flip": 0.2}, "ramanujan")
    assert trained["test_accuracy"] > 60
    curve = (metrics.parent / "curve.csv").read_text().splitlines()
    altered = dict(zip(curve[0].split(","), curve[-1].split(","), strict=True))["altered_share"]
    assert float(altered) == pytest.approx(0.2, abs=1e-3)
    planned = call(project, ["snakemake", "rivals", "-n", "--cores", "1", "--configfile", "config/mnist.yaml"])
    assert "lenet-mnist/flip_popup/seed2-" in planned


# Those that list what is in a registry, or hold a page against it; the others try each entry, and take longer.
THEIR_TESTS = (
    "test_experiments.py", "test_registry.py", "test_comparisons.py", "test_table.py", "test_config.py",
    "test_export.py::test_the_page_says_what_the_definitions_say",
    "test_export.py::test_the_page_names_every_column_and_experiment",
)  # fmt: skip


def test_the_tests_of_the_project_stay_green(project: Path) -> None:
    """After the one command that the page names."""
    (command,) = re.findall(r"`(slotmachines dictionary [^`]*)`", PAGE)
    call(project, shlex.split(command))
    tests = [f"tests/{name}" for name in THEIR_TESTS]
    call(project, [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "-m", "not slow", *tests])


def test_help_names_all(project: Path) -> None:
    said = call(project, ["slotmachines", "train", "--help"])
    assert "strided" in said and "photos" in said and "flip_popup" in said


def test_the_new_experiment_is_trained_compared_and_drawn(project: Path) -> None:
    (grid,) = blocks("An experiment", "yaml")
    (project / "config/ranges.yaml").write_text(grid)
    ((program, *words),) = commands(0, "An experiment")
    call(project, [program, *words])
    table = pd.read_csv(project / "results/ranges/tables/score-ranges.csv", keep_default_na=False)
    assert table["variant"].tolist() == ["", "score range x 0.5", "score range x 2"]
    assert table["n"].tolist() == [2, 2, 2]
    page = (project / "results/ranges/report.html").read_text()
    assert "How far apart should scores start?" in page
    assert "score range x 2: " in page and "paired over 2 seeds" in page
    assert (project / "figures/ranges/score-ranges.png").read_bytes().startswith(b"\x89PNG")
