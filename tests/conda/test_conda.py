"""`snakemake --use-conda` with the project's environment.yml, a stand-in for conda, and a channel of this machine.

It shows that the pinned environment can be solved from packages in the versions of requirements.lock, that Snakemake
makes it, installs the project into it, and runs every job in it. It does not show that conda-forge has these packages,
nor anything of the program conda. `make test-conda`
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from channel import make_channel
from packaging.utils import canonicalize_name

from test_environment import CONDA_NAMES, direct, locked

PROJECT = Path(__file__).parents[2]
# Where `make test-conda` installs py-rattler.
RATTLER = PROJECT / ".venv/rattler"
GRID = """
grid: small
description: one training on digits
recipe: paper-glorot
seeds: [0]
networks: {lenet: digits}
settings: {lenet: {epochs: 1}}
tolerance: {digits: 1.0}
experiments:
  selected-weights: {networks: [lenet], options: [2]}
"""
TABLE = "results/small/tables/selected-weights.csv"
ACTIVATE = """\
export CONDA_PREFIX="$1" PATH="$1/bin:$PATH"
echo "$1" >> {folder}/activated.txt
"""
CONDA = """\
#!/bin/sh
CONDA_CHANNELS={folder} PYTHONPATH={rattler} exec {python} {program} "$@"
"""


def versions_on_conda() -> dict[str, str]:
    """What conda-forge would have, by its names, if it had what the lock has."""
    names = {canonicalize_name(requirement.name) for requirement in direct()}
    return {CONDA_NAMES.get(name, name): locked()[name] for name in names}


@pytest.fixture(scope="module")
def conda(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the channel, of the stand-in, and of what it keeps."""
    folder = tmp_path_factory.mktemp("conda")
    make_channel(folder / "conda-forge", versions_on_conda())
    bin_folder = folder / "base/bin"
    bin_folder.mkdir(parents=True)
    (bin_folder / "activate").write_text(ACTIVATE.format(folder=folder))
    program = Path(__file__).with_name("conda.py")
    text = CONDA.format(folder=folder, rattler=RATTLER, python=sys.executable, program=program)
    (bin_folder / "conda").write_text(text)
    (bin_folder / "conda").chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def project(conda: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project after a grid, all of whose jobs ran in the environment."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("src", "workflow", "config", "profiles"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for file in (
        "Snakefile",
        "environment.yml",
        "environment.post-deploy.sh",
        "pyproject.toml",
        "README.md",
        "LICENSE",
    ):
        shutil.copy(PROJECT / file, folder)
    (folder / "config/small.yaml").write_text(GRID)
    path = f"{conda}/base/bin:{Path(sys.executable).parent}:{os.environ['PATH']}"
    answer = subprocess.run(
        ["snakemake", TABLE, "--cores", "2", "--use-conda", "--configfile", "config/small.yaml"],
        cwd=folder,
        env={**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"},
        text=True,
        capture_output=True,
        timeout=600,
    )
    assert answer.returncode == 0, answer.stderr[-6000:]
    return folder


@pytest.fixture(scope="module")
def environment(project: Path) -> Path:
    (folder,) = (path.parent for path in project.glob(".snakemake/conda/*/conda-meta"))
    return folder


def test_the_environment_has_the_versions_of_the_lock(environment: Path) -> None:
    installed = dict(path.stem.rsplit("-", 2)[:2] for path in environment.glob("conda-meta/*.json"))
    wanted = versions_on_conda()
    assert len(installed) > 20 and {"pytorch", "python", "pip"} <= set(installed)
    assert {name: wanted[name] for name in installed if name not in ("python", "pip")} == {
        name: version for name, version in installed.items() if name not in ("python", "pip")
    }


def test_the_project_is_installed_into_the_environment(project: Path, environment: Path) -> None:
    command = [environment / "bin/python", "-c", "import slotmachines; print(slotmachines.__file__)"]
    answer = subprocess.run(command, text=True, capture_output=True, check=True, cwd=environment)
    assert Path(answer.stdout.strip()).is_relative_to(project / "src")
    assert (environment / "bin/slotmachines").is_file()


def test_every_job_ran_in_the_environment(conda: Path, project: Path, environment: Path) -> None:
    activated = (conda / "activated.txt").read_text().splitlines()
    # The script after the installation; then config, a Python script, for which Snakemake first asks for the version of
    # Python; fetch, train, collect and the table.
    assert len(activated) == 1 + 2 + 4
    assert {Path(path).resolve() for path in activated} == {environment.resolve()}


def test_the_jobs_are_done(project: Path) -> None:
    assert len(pd.read_csv(project / "results/small/runs.csv")) == 1
    assert len(pd.read_csv(project / TABLE)) > 0
