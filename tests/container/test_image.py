"""The image of the Dockerfile, built here and run: the smoke grid in it. `make test-container`

The base image is made of Debian's packages, so no registry of images is asked. buildah works here in a chroot, with
plain copies as layers: it needs root, about 40 GB of free disk, and the download of the packages in requirements.lock.
What PIP_FILES say about the index of packages holds in the build as well.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
MIRROR = [os.environ["DEBIAN_MIRROR"]] if "DEBIAN_MIRROR" in os.environ else []  # else the one that debootstrap knows
PIP_FILES = ("/etc/pip.conf", "/etc/ssl/certs")
BASE, IMAGE = "debian-python:bookworm", "slotmachines:test"


def call(*words: str, check: bool = True) -> str:
    answer = subprocess.run(words, text=True, stdout=subprocess.PIPE, check=False)
    assert answer.returncode == 0 or not check, f"{' '.join(words)} ended with {answer.returncode}"
    return answer.stdout.strip()


class Buildah:
    """buildah with a store of its own, and its temporary files beside it: a layer takes gigabytes."""

    def __init__(self, folder: Path) -> None:
        (folder / "tmp").mkdir()
        places = ["--root", str(folder / "store"), "--runroot", str(folder / "run")]
        self.words = ["env", f"TMPDIR={folder / 'tmp'}", "buildah", "--storage-driver", "vfs", *places]

    def __call__(self, verb: str, *words: str) -> str:
        return call(*self.words, verb, *words)


@pytest.fixture(scope="module")
def buildah(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Buildah]:
    """With the base image in its store."""
    folder = tmp_path_factory.mktemp("container")
    if shutil.disk_usage(folder).free < 40e9:
        pytest.skip("less than 40 GB of free disk")
    tool = Buildah(folder)
    container = tool("from", "scratch")
    call(
        "debootstrap",
        "--variant=minbase",
        "--include=python3-venv,ca-certificates",
        "bookworm",
        tool("mount", container),
        *MIRROR,
    )
    tool("commit", "--quiet", "--rm", container, BASE)
    yield tool
    tool("rm", "--all")
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def image(buildah: Buildah) -> str:
    volumes = [f"--volume={path}:{path}:ro" for path in PIP_FILES if Path(path).exists()]
    buildah(
        "build", "--isolation", "chroot", "--layers=false", "--pull=never", *volumes,
        "--build-arg", f"BASE=localhost/{BASE}", "--build-arg", "COMMIT=0123456789", "--tag", IMAGE, str(PROJECT),
    )  # fmt: skip
    buildah("rmi", "--force", f"localhost/{BASE}")
    return IMAGE


def test_the_smoke_grid_runs_in_the_image(buildah: Buildah, image: str) -> None:
    config = json.loads(buildah("inspect", "--type", "image", image))["OCIv1"]["config"]
    container = buildah("from", "--pull=never", f"localhost/{image}")
    buildah("run", "--isolation", "chroot", container, "--", *config["Entrypoint"], *config["Cmd"])
    results = Path(buildah("mount", container), "slotmachines/results/smoke")
    assert (results / "report.html").stat().st_size > 10_000
    (head, *rows) = (results / "runs.csv").read_text().splitlines()
    assert len(rows) > 30 and {row.split(",")[head.split(",").index("commit")] for row in rows} == {"0123456789"}
