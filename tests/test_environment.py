"""One set of versions: pip, uv, conda, pixi and the container install what the lock says, within pyproject's bounds."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from workflow.envs.environment_files import CONDA_NAMES, ONLY_PIP, PLATFORM, environment_files
from workflow.envs.environment_files import locked as versions_of

PROJECT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text())
LOCK = (PROJECT / "requirements.lock").read_text()
RULES: dict[str, list[str]] = PYPROJECT["tool"]["slotmachines"]["rules"]


def direct() -> list[Requirement]:
    project = PYPROJECT["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    return [Requirement(line) for group in groups for line in group]


def entries() -> list[str]:
    """The lock's entries, each a requirement and its hashes."""
    text = re.sub(r"^#.*\n", "", LOCK, flags=re.MULTILINE)
    return [entry.replace("\\\n", " ") for entry in re.split(r"\n(?=\S)", text.strip())]


def locked() -> dict[str, str]:
    """Versions that the lock gives Python 3.11 on Linux, by name."""
    requirements = [Requirement(entry.split(" --hash")[0]) for entry in entries()]
    wanted = [r for r in requirements if r.marker is None or r.marker.evaluate(PLATFORM)]
    return {canonicalize_name(r.name): str(r.specifier).removeprefix("==") for r in wanted}


def conda(file: str = "environment.yml") -> dict[str, str]:
    """Versions in a file for conda, by conda's name or, in the section for pip, by pip's."""
    dependencies = yaml.safe_load((PROJECT / file).read_text())["dependencies"]
    from_pip = [entry for part in dependencies if isinstance(part, dict) for entry in part["pip"]]
    pairs = [entry.split("=") for entry in dependencies if isinstance(entry, str) and "=" in entry]
    return dict([*pairs, *(entry.split("==") for entry in from_pip)])


def pixi() -> dict[str, str]:
    """Versions in pixi.toml, of all of its environments."""
    workspace = tomllib.loads((PROJECT / "pixi.toml").read_text())
    parts = [workspace, *workspace["feature"].values()]
    tables = [part.get(name, {}) for part in parts for name in ("dependencies", "pypi-dependencies")]
    pairs = [pair for table in tables for pair in table.items() if isinstance(pair[1], str)]
    assert len(pairs) == len(dict(pairs))
    return {name: version.removeprefix("==").removesuffix(".*") for name, version in pairs}


def test_what_make_lock_writes_is_what_is_there() -> None:
    files = environment_files(PYPROJECT, LOCK)
    assert {name for name, text in files.items() if (PROJECT / name).read_text() != text} == set()
    assert {path.name for path in (PROJECT / "workflow/envs").glob("*.yml")} == {f"{kind}.yml" for kind in RULES}
    assert versions_of(LOCK) == locked()


@pytest.mark.parametrize("requirement", direct(), ids=str)
def test_all_agree_within_the_bounds(requirement: Requirement) -> None:
    name = canonicalize_name(requirement.name)
    version = locked()[name]
    assert version in requirement.specifier
    assert conda()[CONDA_NAMES.get(name, name)] == pixi()[CONDA_NAMES.get(name, name)] == version


def test_conda_and_pixi_have_nothing_else() -> None:
    names = {canonicalize_name(requirement.name) for requirement in direct()}
    assert set(conda()) == set(pixi()) == {CONDA_NAMES.get(name, name) for name in names} | {"python"}
    assert conda()["python"] == pixi()["python"]


@pytest.mark.parametrize("kind", RULES)
def test_the_environment_of_a_rule_has_the_versions_of_the_whole_one(kind: str) -> None:
    rule = conda(f"workflow/envs/{kind}.yml")
    assert rule.items() <= conda().items()
    assert set(rule) == {CONDA_NAMES.get(name, name) for name in RULES[kind]} | {"python"}
    assert not ONLY_PIP & set(rule)  # all of it is solved at once


def test_every_rule_names_the_environment_of_its_kind() -> None:
    for file in (PROJECT / "workflow/rules").glob("*.smk"):
        named = re.findall(r"conda:\s+\"(.*)\"", file.read_text())
        assert all((file.parent / name).resolve().parent == PROJECT / "workflow/envs" for name in named)
        assert all((file.parent / name).is_file() for name in named)


@pytest.mark.slow
def test_the_lock_of_uv_has_the_same_versions_and_hashes(tmp_path: Path) -> None:
    """It holds addresses of packages, so it is made where it is wanted: `make pylock.toml`."""
    file = tmp_path / "pylock.toml"
    made = subprocess.run(["make", "-s", "pylock.toml", f"PYLOCK={file}"], cwd=PROJECT, capture_output=True, text=True)
    if made.returncode and re.search("client error|connect|dns|offline", made.stderr, flags=re.IGNORECASE):
        pytest.skip("no index of packages can be reached")
    assert made.returncode == 0, made.stderr
    packages = tomllib.loads(file.read_text())["packages"]
    listed = {(canonicalize_name(entry.split("==")[0]), re.split("==| ", entry)[1]) for entry in entries()}
    assert {(one["name"], one["version"]) for one in packages} == listed
    files = [one for package in packages for one in (*package.get("wheels", []), package.get("sdist")) if one]
    digests = {one["hashes"]["sha256"] for one in files}
    assert digests <= set(re.findall("sha256:([0-9a-f]{64})", LOCK))


def test_every_entry_of_the_lock_has_hashes_and_no_url() -> None:
    for entry in entries():
        assert re.fullmatch(r"[\w.-]+==\S+( ; [^#]*?)?(\s+--hash=sha256:[0-9a-f]{64})+", entry), entry.split()[0]
        assert "://" not in entry and " @ " not in entry
