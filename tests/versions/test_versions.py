"""The library's tests on each supported Python that is installed, with the oldest and the newest packages it allows.

Called by `make test-versions`; downloads several gigabytes, PyTorch above all.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
# Python -> which of the versions that pyproject.toml allows. The newest Pythons have no wheels of the oldest packages.
VERSIONS = {"3.11": "lowest-direct", "3.12": "highest", "3.13": "highest"}
# What the tests themselves need; numba is what compiles selection on a processor.
OF_TESTS = ("pytest", "hypothesis", "filelock", "numba", "pandas", "pyyaml", "scikit-learn", "tqdm")
# Warnings of PyTorch about itself, which tests take for errors: on Python 3.13.0, of each graph that it compiles
# (3.13.1 is free of it); in PyTorch 2.8, of its own SequentialLR.
IGNORED = ("-W", "ignore:Guards may run slower on Python 3.13.0", "-W", "ignore:The epoch parameter in")
# A test that names one of these is about more than the library.
NOT_THE_LIBRARY = re.compile(r"slotpipeline|benchmarks|workflow|snakemake|torchvision|import yaml|import tomllib")


def library_tests() -> list[str]:
    """The test files that need no more than the library."""
    texts = {path: path.read_text(encoding="utf-8") for path in sorted((PROJECT / "tests").glob("test_*.py"))}
    return [str(path) for path, text in texts.items() if "slotmachines" in text and not NOT_THE_LIBRARY.search(text)]


def interpreter(version: str) -> str | None:
    """The path of a Python of that version, wherever it is installed; None where there is none."""
    for command in (["uv", "python", "find", "--no-project", "--no-python-downloads", version], [f"python{version}"]):
        if shutil.which(command[0]) is None:
            continue
        words = command if command[0] == "uv" else [*command, "-c", "import sys; print(sys.executable)"]
        found = subprocess.run(words, capture_output=True, text=True, check=False, cwd="/")
        if found.returncode == 0:
            return found.stdout.strip()
    return None


def test_there_are_tests_of_the_library() -> None:
    assert len(library_tests()) > 25


@pytest.mark.parametrize(("version", "resolution"), VERSIONS.items())
def test_the_library(version: str, resolution: str, tmp_path: Path) -> None:
    python, uv = interpreter(version), shutil.which("uv")
    if python is None or uv is None:
        pytest.skip(f"Python {version} is not installed here" if uv else "uv is not installed here")
    folder = tmp_path / "venv"
    subprocess.run([uv, "venv", "--quiet", "--no-project", "--python", python, folder], check=True)
    install = [uv, "pip", "install", "--quiet", "--python", folder]
    # The project's direct requirements at one end of their ranges, then what the tests need, which moves none of them.
    direct = [*install, "--resolution", resolution, "-r", PROJECT / "pyproject.toml"]
    subprocess.run(direct, check=True, cwd=PROJECT)
    pins = tmp_path / "pins.txt"
    frozen = subprocess.run(
        [uv, "pip", "freeze", "--python", folder], capture_output=True, text=True, check=True
    ).stdout
    pins.write_text(frozen)
    subprocess.run([*install, "--constraint", pins, *OF_TESTS], check=True)
    subprocess.run([*install, "--no-deps", PROJECT], check=True)
    print(f"\nPython {version}, {resolution}:", *re.findall(r"^(?:torch|numpy|safetensors)==\S+", frozen, re.MULTILINE))
    tests = [folder / "bin/python", "-m", "pytest", "-q", "-m", "not slow", "-p", "no:cacheprovider"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": ""}
    answer = subprocess.run(
        [*tests, *IGNORED, *library_tests()], cwd=PROJECT, env=environment, capture_output=True, text=True, check=False
    )
    print(answer.stdout[-3000:], answer.stderr[-1000:])
    assert answer.returncode == 0
