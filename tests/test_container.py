"""The Dockerfile, as far as it can be checked without building: what it copies, installs and starts."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).parents[1]


def instructions(name: str) -> list[str]:
    """The arguments of each instruction of that name, in order."""
    text = (PROJECT / "Dockerfile").read_text().replace("\\\n", " ")
    return re.findall(rf"^{name} (.+)$", text, flags=re.MULTILINE)


def is_ignored(path: Path) -> bool:
    """Whether .dockerignore, whose last word on a path or a folder above it counts, keeps it from the builder."""
    ignored = False
    for line in (PROJECT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!")
        if any(fnmatchcase(str(part), pattern) for part in (path, *path.parents)):
            ignored = not line.startswith("!")
    return ignored


def copied() -> Iterator[tuple[Path, Path]]:
    """(file of the project, place in the image's folder) of all that is copied."""
    for words in instructions("COPY"):
        *sources, target = words.split()
        for source in sources:
            found = PROJECT / source
            for file in [found] if found.is_file() else (path for path in found.rglob("*") if path.is_file()):
                if not is_ignored(file.relative_to(PROJECT)):
                    yield file, Path(target, file.relative_to(found) if found.is_dir() else file.name)


def test_all_that_is_copied_is_there_and_reaches_the_builder() -> None:
    sources = [Path(word) for words in instructions("COPY") for word in words.split()[:-1]]
    assert sources
    assert all((PROJECT / source).exists() and not is_ignored(source) for source in sources)


@pytest.mark.parametrize("path", [".git/HEAD", ".venv/bin/python", "data/mnist.safetensors", "results/mnist/runs/a"])
def test_what_is_large_or_private_stays_outside(path: str) -> None:
    assert is_ignored(Path(path))


def test_the_base_is_one_version_of_the_python_of_the_other_environments() -> None:
    assert instructions("FROM") == ["${BASE}"]
    (base,) = (words.removeprefix("BASE=") for words in instructions("ARG") if words.startswith("BASE="))
    python = yaml.safe_load((PROJECT / "environment.yml").read_text())["dependencies"][0].removeprefix("python=")
    assert re.fullmatch(rf"python:{re.escape(python)}\.\d+-slim-[a-z]+", base)


def test_it_installs_as_the_page_on_reproducing_does_without_make() -> None:
    commands = [words.removeprefix("uv ") for words in instructions("RUN") if words.startswith("uv pip")]
    page = (PROJECT / "docs" / "reproduce.md").read_text()
    assert f"`{' && '.join(commands)}`" in page


def test_its_folder_holds_what_snakemake_plans_with(tmp_path: Path) -> None:
    for file, place in copied():
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, tmp_path / place)
    (entry,), (default,) = (map(yaml.safe_load, instructions(name)) for name in ("ENTRYPOINT", "CMD"))
    environment = os.environ | {"PYTHONPATH": "src", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    answer = subprocess.run(
        [*entry, *default, "--dry-run", "--quiet"], cwd=tmp_path, env=environment, text=True, capture_output=True
    )
    assert answer.returncode == 0, answer.stderr
