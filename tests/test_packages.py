"""Wheel and source archive: each installs into an empty environment, alone and with the extra `pipeline`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
UV = shutil.which("uv")

pytestmark = [pytest.mark.slow, pytest.mark.skipif(UV is None, reason="uv, which builds the packages, is missing")]

LIBRARY = """
import sys, torch, slotmachines
network = slotmachines.slotify_(torch.nn.Linear(4, 3), options=4)
network(torch.ones(2, 4)).sum().backward()
slotmachines.save_ticket(network, sys.argv[1])
slotmachines.load_ticket(torch.nn.Linear(4, 3), sys.argv[1])
slotmachines.bake_(network)
print(slotmachines.__version__, slotmachines.__file__)
"""


def run(*words: str | Path, cwd: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Without what this process would lend to an empty environment."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    answer = subprocess.run(
        list(map(str, words)), capture_output=True, text=True, check=False, cwd=cwd, env=environment
    )
    assert not check or answer.returncode == 0, answer.stderr
    return answer


@pytest.fixture(scope="module")
def packages(tmp_path_factory) -> dict[str, Path]:
    """The wheel, which is built from the source archive, and the archive."""
    folder = tmp_path_factory.mktemp("dist")
    run(UV, "build", "--quiet", "--python", sys.executable, "--out-dir", folder, cwd=PROJECT)
    (wheel,), (archive,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return {"wheel": wheel, "sdist": archive}


def install(folder: Path, *what: str | Path) -> None:
    pinned = ("--constraint", PROJECT / "requirements.lock")
    run(UV, "pip", "install", "--quiet", "--python", folder, *pinned, *what, cwd=folder.parent)


def installed(folder: Path) -> set[str]:
    answer = run(UV, "pip", "freeze", "--python", folder, cwd=folder.parent)
    return set(re.findall(r"^([\w.-]+)", answer.stdout, re.MULTILINE))


def test_the_archive_holds_the_source_and_the_wheel_all_of_its_files(packages) -> None:
    assert packages["sdist"].stat().st_size < 2**20
    with tarfile.open(packages["sdist"]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "README.md", "CHANGELOG.md", "CITATION.cff", "pyproject.toml"} <= names
    tracked = run("git", "ls-files", "src", cwd=PROJECT).stdout.split()
    assert set(tracked) <= names
    with zipfile.ZipFile(packages["wheel"]) as wheel:
        assert {name.removeprefix("src/") for name in tracked} <= set(wheel.namelist())
        assert not [name for name in wheel.namelist() if not name.startswith(("slotmachines", "slotpipeline"))]


def test_an_empty_environment(packages, tmp_path: Path) -> None:
    folder = tmp_path / "venv"
    run(UV, "venv", "--quiet", "--no-project", "--python", sys.executable, folder, cwd=tmp_path)
    install(folder, packages["wheel"])
    assert not {"typer", "pandas", "tqdm", "pyyaml", "snakemake", "numba"} & installed(folder)
    python, command = folder / "bin/python", folder / "bin/slotmachines"
    said = run(python, "-c", LIBRARY, tmp_path / "small.ticket", cwd=tmp_path).stdout
    assert str(folder) in said
    # The command without its extra: one line that says how to get it.
    for words in ([command, "demo"], [python, "-m", "slotmachines"]):
        answer = run(*words, cwd=tmp_path, check=False)
        assert answer.returncode == 2 and answer.stdout == ""
        assert answer.stderr.count("\n") == 1 and '".[pipeline]"' in answer.stderr

    install(folder, f"slotmachines[pipeline] @ {packages['wheel'].as_uri()}")
    assert "train" in run(command, "--help", cwd=tmp_path).stdout
    answer = run(command, "fetch", "digits", cwd=tmp_path, check=False)
    assert answer.returncode == 2 and answer.stderr.count("\n") == 1 and '".[data]"' in answer.stderr

    run(UV, "pip", "uninstall", "--quiet", "--python", folder, "slotmachines", cwd=tmp_path)
    install(folder, f"slotmachines[data] @ {packages['sdist'].as_uri()}")
    run(command, "fetch", "digits", cwd=tmp_path)
    trained = run(command, "train", "--dataset", "digits", "--options", "2", "--set", "epochs=1", cwd=tmp_path)
    assert trained.stdout.startswith("test accuracy ")
