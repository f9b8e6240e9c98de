"""`snakemake --use-conda` with the environments of workflow/envs, a stand-in for conda, and a channel of this machine.

It shows that each environment can be solved in the versions of requirements.lock, that Snakemake makes it, installs the
project into it, and runs every job of a grid in it, with no package that it does not ask for. It does not show that
conda-forge has these packages, nor anything of the program conda. `make test-conda`
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
import yaml
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
# py-rattler's threads now and then end in a segmentation fault: once more then.
CONDA = """\
#!/bin/sh
export CONDA_CHANNELS={folder} PYTHONPATH={rattler}
for attempt in 1 2 3; do
  {python} {program} "$@"
  code=$?
  [ $code -ge 128 ] || break
done
exit $code
"""


KINDS = ("fetch", "train", "report")


def versions() -> dict[str, str]:
    """Version of each direct dependency in the lock, by pip's names."""
    names = {canonicalize_name(requirement.name) for requirement in direct()}
    return {name: locked()[name] for name in names}


def asked_for(kind: str) -> dict[str, str]:
    """Versions that an environment asks for, by conda's names."""
    entries = yaml.safe_load((PROJECT / f"workflow/envs/{kind}.yml").read_text())["dependencies"]
    return dict(entry.split("=") for entry in entries if "=" in entry and not entry.startswith("python="))


@pytest.fixture(scope="module")
def conda(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the channel, of the stand-in, and of what it keeps."""
    folder = tmp_path_factory.mktemp("conda")
    make_channel(folder / "conda-forge", versions(), CONDA_NAMES)
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
        "pyproject.toml",
        "README.md",
        "LICENSE",
    ):
        shutil.copy(PROJECT / file, folder)
    (folder / "config/small.yaml").write_text(GRID)
    path = f"{conda}/base/bin:{Path(sys.executable).parent}:{os.environ['PATH']}"
    answer = subprocess.run(
        ["snakemake", "--cores", "2", "--use-conda", "--configfile", "config/small.yaml"],
        cwd=folder,
        env={**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"},
        text=True,
        capture_output=True,
        timeout=600,
    )
    assert answer.returncode == 0, answer.stderr[-6000:]
    return folder


@pytest.fixture(scope="module")
def environments(project: Path) -> dict[str, Path]:
    """Kind of rule -> folder of its environment."""
    folders = [path.parent for path in project.glob(".snakemake/conda/*/conda-meta")]
    made = {folder: (folder.parent / f"{folder.name}.yaml").read_text() for folder in folders}
    return {kind: next(folder for folder, text in made.items() if f"-{kind}\n" in text) for kind in KINDS}


def installed(environment: Path) -> dict[str, str]:
    return dict(path.stem.rsplit("-", 2)[:2] for path in environment.glob("conda-meta/*.json"))


def test_each_kind_of_rule_has_one_environment(project: Path, environments: dict[str, Path]) -> None:
    assert len(list(project.glob(".snakemake/conda/*/conda-meta"))) == len(KINDS) == len(set(environments.values()))


@pytest.mark.parametrize("kind", KINDS)
def test_an_environment_has_the_versions_of_the_lock_and_nothing_for_developers(
    kind: str, environments: dict[str, Path]
) -> None:
    there = installed(environments[kind])
    asked = asked_for(kind)
    assert len(asked) > 5 and asked.items() <= there.items() and {"python", "pip"} <= set(there)
    assert not {"mypy", "pytest", "ruff", "dvc", "snakemake", "hypothesis"} & set(there)
    assert ("pytorch" in there) == (kind != "report")


@pytest.mark.parametrize("kind", KINDS)
def test_the_project_is_installed_into_the_environment(kind: str, project: Path, environments: dict[str, Path]) -> None:
    environment = environments[kind]
    command = [environment / "bin/python", "-c", "import slotmachines; print(slotmachines.__file__)"]
    answer = subprocess.run(command, text=True, capture_output=True, check=True, cwd=environment)
    assert Path(answer.stdout.strip()).is_relative_to(project / "src")
    assert (environment / "bin/slotmachines").is_file()


def test_every_job_ran_in_the_environment_of_its_kind(
    conda: Path, project: Path, environments: dict[str, Path]
) -> None:
    activated = Counter(Path(path).resolve() for path in (conda / "activated.txt").read_text().splitlines())
    assert set(activated) == {folder.resolve() for folder in environments.values()}
    # The script after the installation, and the job.
    assert [activated[environments[kind].resolve()] for kind in ("fetch", "train")] == [2, 2]
    # config, a Python script, for which Snakemake first asks for the version of Python; collect, summary, report, and
    # the table and the figures.
    assert activated[environments["report"].resolve()] == 1 + 2 + 3 + 1 + 3


def test_the_jobs_are_done(project: Path) -> None:
    assert len(pd.read_csv(project / "results/small/runs.csv")) == 1
    assert len(pd.read_csv(project / TABLE)) > 0
    assert (project / "results/small/report.html").stat().st_size > 10_000
