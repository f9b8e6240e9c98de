"""The files by which a project is cited, kept and contributed to agree with each other and with the code."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import yaml
from packaging.specifiers import SpecifierSet

import slotmachines

PROJECT = Path(__file__).parents[1]


def text_of(name: str) -> str:
    return (PROJECT / name).read_text(encoding="utf-8")


def yaml_of(name: str) -> Any:
    return yaml.safe_load(text_of(name))


def project() -> dict[str, Any]:
    return tomllib.loads(text_of("pyproject.toml"))["project"]


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*## ", text_of("Makefile"), re.MULTILINE))


def test_one_version_in_code_citation_and_changes() -> None:
    assert yaml_of("CITATION.cff")["version"] == slotmachines.__version__
    headings = re.findall(r"^## (.*)$", text_of("CHANGELOG.md"), re.MULTILINE)
    released = [heading.split(",")[0] for heading in headings if heading != "Unreleased"]
    coming = re.findall(r"^This will be ([\d.]+),", text_of("CHANGELOG.md"), re.MULTILINE)
    assert [*coming, *released][0] == slotmachines.__version__


def test_the_citation_has_what_the_format_requires_and_cites_the_paper() -> None:
    citation = yaml_of("CITATION.cff")
    assert {"cff-version", "message", "title", "authors", "license"} <= set(citation)
    assert citation["license"] == project()["license"]
    (paper,) = citation["references"]
    assert paper["title"].startswith("Slot Machines: Discovering Winning Combinations")


def test_python_versions_are_those_that_are_tested() -> None:
    named = [line.rsplit(" ", 1)[1] for line in project()["classifiers"] if "Python :: 3." in line]
    assert named and all(version in SpecifierSet(project()["requires-python"]) for version in named)
    for name in ("tests/versions/test_versions.py", "CONTRIBUTING.md", ".github/workflows/checks.yml"):
        assert all(version in text_of(name) for version in named), name


def test_the_workflow_makes_the_checks_of_the_project() -> None:
    jobs = yaml_of(".github/workflows/checks.yml")["jobs"]
    commands = {name: [step["run"] for step in job["steps"] if "run" in step] for name, job in jobs.items()}
    assert commands == {"checks": ["bash .ci/run"], "versions": ["make test-versions"]}


def test_hooks_call_tools_of_the_lock() -> None:
    (local,) = yaml_of(".pre-commit-config.yaml")["repos"]
    assert local["repo"] == "local"
    locked = set(re.findall(r"^([\w.-]+)==", text_of("requirements.lock"), re.MULTILINE)) | {"lint-imports"}
    lint = text_of("Makefile").partition("\nlint:")[2].partition("\n\n")[0]
    for hook in local["hooks"]:
        tool = hook["entry"].split()[0].removeprefix(".venv/bin/")
        assert tool in locked and hook["language"] == "system"
        assert tool == "pytest" or f"$(RUN) {tool}" in lint


def test_the_page_for_contributors_names_what_exists() -> None:
    page = text_of("CONTRIBUTING.md")
    assert set(re.findall(r"`make ([a-z-]+)", page)) <= targets()
    for name in re.findall(r"\]\((docs/[\w./-]+)\)|`((?:config|\.github|\.ci)/[\w./-]+)`", page):
        path = PROJECT / next(filter(None, name))
        assert path.exists(), path


def test_issue_forms_have_what_the_host_of_the_code_requires() -> None:
    forms = [path for path in (PROJECT / ".github/ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config"]
    assert len(forms) == 3
    for path in forms:
        form = yaml_of(str(path.relative_to(PROJECT)))
        assert form["name"] and form["description"]
        assert all(part["attributes"]["label"] for part in form["body"])
        assert len({part["id"] for part in form["body"]}) == len(form["body"])
