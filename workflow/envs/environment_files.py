"""Write the files that describe environments, from pyproject.toml and requirements.lock: `make lock`.

The versions are those of the lock. `[tool.slotmachines.rules]` lists the packages in the environment of a kind of rule.
`environment.yml` and `pixi.toml` hold all direct dependencies. Snakemake runs the script beside the file of a kind of
rule once, in the environment that it made of that file.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from slotmachines.files import replacing

PROJECT = Path(__file__).parents[2]
PYTHON = "3.11"
"""The Python of the environments, and of the container: the oldest that `requires-python` allows."""
PLATFORM = {
    "implementation_name": "cpython",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "python_full_version": f"{PYTHON}.0",
    "python_version": PYTHON,
    "sys_platform": "linux",
}
CHANNELS = ["conda-forge", "nodefaults"]
CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base"}
"""Packages that conda-forge has under another name."""
ONLY_PIP = {"snakemake", "snakemake-executor-plugin-slurm", "snakefmt"}
"""Packages that pip installs also in conda's environments: Snakemake's are on the channel bioconda."""
GENERATED = "# Written by `make lock` from pyproject.toml and requirements.lock."
INSTALL = """\
#!/usr/bin/env bash
# Written by `make lock`. Snakemake runs this once in the conda environment that it made, from the project's folder.
set -euo pipefail
python -m pip install --quiet --no-deps --editable .
"""


def locked(lock: str) -> dict[str, str]:
    """Name -> version that the lock gives Python 3.11 on Linux.

    Args:
        lock: the text of requirements.lock.
    """
    entries = re.findall(r"^(?![ #]).+?(?= *\\?$)", lock, flags=re.MULTILINE)
    wanted = [one for one in map(Requirement, entries) if one.marker is None or one.marker.evaluate(PLATFORM)]
    return {canonicalize_name(one.name): str(one.specifier).removeprefix("==") for one in wanted}


def names(requirements: Iterable[str]) -> list[str]:
    """The names in a list of requirements, in its order."""
    return [canonicalize_name(Requirement(line).name) for line in requirements]


def groups(project: Mapping[str, Any]) -> dict[str, list[str]]:
    """Group -> names of its packages, each package in its first group only; the library's own group is `library`."""
    found: dict[str, list[str]] = {}
    for group, lines in {"library": project["dependencies"], **project["optional-dependencies"]}.items():
        earlier = {name for members in found.values() for name in members}
        found[group] = [name for name in names(lines) if name not in earlier]
    return {group: members for group, members in found.items() if members}


def conda_environment(name: str, purpose: str, packages: Mapping[str, list[str]], versions: Mapping[str, str]) -> str:
    """The text of an environment for conda.

    Args:
        name: what the environment is called.
        purpose: one line, or several, on what it is for.
        packages: heading -> names of packages; no heading is written where it is empty.
        versions: the version of each package.
    """
    lines = [GENERATED, *(f"# {line}" for line in purpose.splitlines())]
    lines += [f"name: {name}", f"channels: [{', '.join(CHANNELS)}]", "dependencies:", f"  - python={PYTHON}", "  - pip"]
    from_pip = [package for members in packages.values() for package in members if package in ONLY_PIP]
    for heading, members in packages.items():
        lines += [f"  # {heading}"] if heading else []
        lines += [f"  - {CONDA_NAMES.get(one, one)}={versions[one]}" for one in members if one not in from_pip]
    if from_pip:
        lines += ["  # not on conda-forge", "  - pip:", *(f"      - {one}=={versions[one]}" for one in from_pip)]
    return "\n".join(lines) + "\n"


def pixi_workspace(packages: Mapping[str, list[str]], versions: Mapping[str, str]) -> str:
    """The text of pixi.toml: the environment `default`, which runs the workflow, and `dev`, which also tests it."""

    def tables(prefix: str, members: Iterable[str], conda: Iterable[str] = (), pip: Iterable[str] = ()) -> list[str]:
        members = list(members)
        on_channel = [f'{CONDA_NAMES.get(one, one)} = "=={versions[one]}"' for one in members if one not in ONLY_PIP]
        from_pip = [f'{one} = "=={versions[one]}"' for one in members if one in ONLY_PIP]
        return [
            *(f"\n[{prefix}dependencies]", *conda, *on_channel),
            *((f"\n[{prefix}pypi-dependencies]", *from_pip, *pip) if [*from_pip, *pip] else ()),
        ]

    runtime = [one for group, members in packages.items() if group != "dev" for one in members]
    project = 'slotmachines = { path = ".", editable = true }'
    lines = [
        GENERATED,
        "# For pixi: `pixi run smoke`. There is no pixi.lock yet: making one takes the data of the channel.",
        "[workspace]",
        'name = "slotmachines"',
        'channels = ["conda-forge"]',
        'platforms = ["linux-64"]',
        *tables("", runtime, conda=[f'python = "{PYTHON}.*"'], pip=[project]),
        *tables("feature.dev.", packages["dev"]),
        '\n[environments]\ndev = ["dev"]',
        '\n[tasks]\nsmoke = "snakemake --cores all --configfile config/smoke.yaml"',
    ]
    return "\n".join(lines) + "\n"


def environment_files(pyproject: Mapping[str, Any], lock: str) -> dict[str, str]:
    """Path in the project -> text of each file."""
    packages, versions = groups(pyproject["project"]), locked(lock)
    purpose = (
        "For conda: all direct dependencies.\n"
        "  conda env create -f environment.yml && conda activate slotmachines && pip install --no-deps -e .\n"
        "The environments of the workflow's jobs (--use-conda) are smaller: workflow/envs."
    )
    files = {
        "environment.yml": conda_environment("slotmachines", purpose, packages, versions),
        "pixi.toml": pixi_workspace(packages, versions),
    }
    for rule, members in pyproject["tool"]["slotmachines"]["rules"].items():
        purpose = f"What rules of the kind `{rule}` need: snakemake --use-conda."
        files[f"workflow/envs/{rule}.yml"] = conda_environment(f"slotmachines-{rule}", purpose, {"": members}, versions)
        files[f"workflow/envs/{rule}.post-deploy.sh"] = INSTALL
    return files


def main() -> None:
    """Write the files whose text is new."""
    pyproject = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    lock = (PROJECT / "requirements.lock").read_text(encoding="utf-8")
    for name, text in environment_files(pyproject, lock).items():
        path = PROJECT / name
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
        print(f"wrote {name}")


if __name__ == "__main__":
    main()
