"""Crates pass roc-validator at the level REQUIRED, without a network. `make test-crate`"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from slotpipeline.reporting.crate import Grid, write_crate
from test_crate import made_up_grid

PROJECT = Path(__file__).parents[2]
# Where `make test-crate` installs roc-validator.
VALIDATOR = PROJECT / ".venv/roc-validator"
PROFILES = ["process-run-crate-0.5", "workflow-ro-crate-1.0", "workflow-run-crate-0.5"]

pytestmark = pytest.mark.skipif(not VALIDATOR.is_dir(), reason="roc-validator is not installed: make test-crate")


@pytest.fixture(scope="module")
def crate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("crate")
    write_crate(made_up_grid(folder), folder / "crate", agent="Ada Example")
    return folder / "crate"


def complaints(crate: Path, profile: str, cache: Path) -> list[str]:
    script = Path(__file__).with_name("validate.py")
    answer = subprocess.run(
        [sys.executable, script, crate, profile, "REQUIRED", cache],
        env=os.environ | {"PYTHONPATH": str(VALIDATOR)}, text=True, capture_output=True,
    )  # fmt: skip
    assert answer.returncode in (0, 1) and "Traceback" not in answer.stderr, answer.stderr
    assert bool(answer.returncode) == bool(answer.stdout)
    return answer.stdout.splitlines()


@pytest.mark.parametrize("profile", PROFILES)
def test_a_crate_is_valid(crate: Path, profile: str, tmp_path: Path) -> None:
    assert complaints(crate, profile, tmp_path / "cache") == []


def test_the_crate_of_the_recorded_mnist_grid_is_valid(tmp_path: Path) -> None:
    grid = Grid(
        PROJECT / "config/mnist.yaml", PROJECT / "results/mnist", PROJECT / "figures/mnist",
        PROJECT / "config/reference.csv", PROJECT / "data", PROJECT,
    )  # fmt: skip
    write_crate(grid, tmp_path / "mnist.zip")
    assert complaints(tmp_path / "mnist.zip", PROFILES[-1], tmp_path / "cache") == []


@pytest.mark.parametrize("lost", ["instrument", "programmingLanguage", "license", "a file", "a term"])
def test_a_crate_that_lacks_something_is_not_valid(crate: Path, lost: str, tmp_path: Path) -> None:
    """Else a validator that checks nothing would pass, too."""
    broken = shutil.copytree(crate, tmp_path / "broken")
    place = broken / "ro-crate-metadata.json"
    whole = json.loads(place.read_text())
    for entity in whole["@graph"]:
        entity.pop(lost, None)
        if lost == "a term":
            entity["hasNoSuchTerm"] = "1"
    place.write_text(json.dumps(whole))
    if lost == "a file":
        (broken / "results/synthetic/runs.csv").unlink()
    assert complaints(broken, PROFILES[-1], tmp_path / "cache")
