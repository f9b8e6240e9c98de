"""pip, uv and conda install the same versions, those that pyproject.toml allows, and pip and uv only verified files."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).parents[1]
CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base"}
PLATFORM = {
    "implementation_name": "cpython",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "python_full_version": "3.11.0",
    "python_version": "3.11",
    "sys_platform": "linux",
}


def direct() -> list[Requirement]:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    return [Requirement(line) for group in groups for line in group]


def entries() -> list[str]:
    """The lock's entries, each a requirement and its hashes."""
    text = re.sub(r"^#.*\n", "", (PROJECT / "requirements.lock").read_text(), flags=re.MULTILINE)
    return [entry.replace("\\\n", " ") for entry in re.split(r"\n(?=\S)", text.strip())]


def locked() -> dict[str, str]:
    """Versions that the lock gives Python 3.11 on Linux, by name."""
    requirements = [Requirement(entry.split(" --hash")[0]) for entry in entries()]
    wanted = [r for r in requirements if r.marker is None or r.marker.evaluate(PLATFORM)]
    return {canonicalize_name(r.name): str(r.specifier).removeprefix("==") for r in wanted}


def conda() -> dict[str, str]:
    """Versions in environment.yml, by conda's name or, in the section for pip, by pip's."""
    dependencies = yaml.safe_load((PROJECT / "environment.yml").read_text())["dependencies"]
    (from_pip,) = (entry["pip"] for entry in dependencies if isinstance(entry, dict))
    pairs = [entry.split("=") for entry in dependencies if isinstance(entry, str) and "=" in entry]
    return dict([*pairs, *(entry.split("==") for entry in from_pip)])


@pytest.mark.parametrize("requirement", direct(), ids=str)
def test_lock_and_conda_agree_within_the_bounds(requirement: Requirement) -> None:
    name = canonicalize_name(requirement.name)
    version = locked()[name]
    assert version in requirement.specifier
    assert conda()[CONDA_NAMES.get(name, name)] == version


def test_conda_has_nothing_else() -> None:
    names = {canonicalize_name(requirement.name) for requirement in direct()}
    assert set(conda()) == {CONDA_NAMES.get(name, name) for name in names} | {"python"}


def test_every_entry_of_the_lock_has_hashes_and_no_url() -> None:
    for entry in entries():
        assert re.fullmatch(r"[\w.-]+==\S+( ; [^#]*?)?(\s+--hash=sha256:[0-9a-f]{64})+", entry), entry.split()[0]
        assert "://" not in entry and " @ " not in entry
