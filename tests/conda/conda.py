"""A stand-in for the program conda: what Snakemake asks of it, with environments that py-rattler solves and links.

Environments come from the channels in the folder CONDA_CHANNELS alone.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml
from rattler import Channel, Gateway, VirtualPackage, install, solve

HERE = Path(os.environ["CONDA_CHANNELS"])


async def link(channels: list[str], packages: list[str], prefix: Path) -> None:
    """Solve, and put the packages into the prefix."""
    found = [Channel((HERE / name).as_uri()) for name in channels if name != "nodefaults"]
    records = await solve(
        found,
        packages,
        gateway=Gateway(cache_dir=HERE / "cache"),
        platforms=["linux-64", "noarch"],
        virtual_packages=VirtualPackage.detect(),
    )
    await install(records, prefix, cache_dir=HERE / "cache", show_progress=False)


def create(file: Path, prefix: Path) -> None:
    """The environment of a file, with its section for pip."""
    shutil.rmtree(prefix, ignore_errors=True)  # of an attempt before
    described = yaml.safe_load(file.read_text())
    packages = [entry for entry in described["dependencies"] if isinstance(entry, str)]
    asyncio.run(link(described["channels"], packages, prefix))
    for entry in described["dependencies"]:
        if isinstance(entry, dict):
            subprocess.run([prefix / "bin/python", "-m", "pip", "install", *entry["pip"]], check=True)


match sys.argv[1:]:
    case ["--version"]:
        print("conda 24.7.1")  # the oldest that Snakemake takes
    case ["info", "--json"]:
        print(json.dumps({"conda_prefix": str(HERE / "base"), "platform": "linux-64"}))
    case ["config", "--get", "channel_priority", "--json"]:
        print(json.dumps({"get": {"channel_priority": "strict"}}))
    case ["env", "create", "--quiet", "--no-default-packages", "--file", file, "--prefix", prefix]:
        create(Path(file), Path(prefix))
    case ["clean", "-y", "--tarballs"]:
        pass
    case words:
        sys.exit(f"the stand-in for conda does not know: {' '.join(words)}")
