"""Which commit a result is said to come from: one that holds all that the result depends on, or a dirty one."""

import subprocess
from pathlib import Path

import pytest

from slotpipeline.runs.recipe import load_recipe
from slotpipeline.training.provenance import commit

FILES = {
    "src/slotmachines/slots/kernels/plain.py": "kernel",
    "src/slotpipeline/training/loop.py": "loop",
    "src/slotpipeline/recipes/paper.yaml": "recipe",
    "config/recipes/short.yaml": "{description: short, extends: paper}",
    "mine.yaml": "{description: mine, extends: config/recipes/short.yaml}",
    "docs/page.md": "page",
    ".gitignore": "ignored.yaml\n__pycache__/\n",
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clean repository with the two packages, recipes, and a page."""
    monkeypatch.delenv("SLOTMACHINES_COMMIT", raising=False)
    folder = tmp_path / "project"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    monkeypatch.chdir(folder)
    author = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
    for words in (["init", "-q"], ["add", "."], [*author, "commit", "-qm", "all"]):
        subprocess.run(["git", *words], check=True)
    return folder


def commit_of(recipe: str = "mine.yaml") -> str:
    return commit(load_recipe(recipe).files, Path("src").resolve())


def test_a_clean_source_has_its_commit_and_other_files_do_not_count(project: Path) -> None:
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    assert commit_of() == commit_of("paper") == head
    (project / "docs/page.md").write_text("another page")
    (project / "notes.txt").write_text("new")
    cache = project / "src/slotmachines/__pycache__"
    cache.mkdir()
    (cache / "plain.pyc").write_text("compiled")
    assert commit_of() == head


@pytest.mark.parametrize(
    "changed", [name for name in FILES if name.startswith(("src", "config", "mine"))] + ["src/slotmachines/new.py"]
)
def test_a_change_of_either_package_or_of_a_recipe_is_dirty(project: Path, changed: str) -> None:
    with (project / changed).open("a") as file:
        file.write("\n")
    assert commit_of().endswith("-dirty")


@pytest.mark.parametrize("name", ["new.yaml", "ignored.yaml", "../elsewhere.yaml"])
def test_a_recipe_that_no_commit_holds_is_dirty(project: Path, name: str) -> None:
    (project / name).write_text("{description: new, extends: paper}")
    assert commit_of(name).endswith("-dirty")
    (project / "mine.yaml").write_text(f"{{description: mine, extends: {name}}}")
    assert commit_of().endswith("-dirty")
    assert not commit_of("paper").endswith("-dirty")


def test_a_copy_within_another_repository_is_not_of_its_commit(project: Path) -> None:
    installed = project / "ignored.yaml" / "site-packages"
    (installed / "slotpipeline").mkdir(parents=True)
    assert commit((), installed) == "unknown"
