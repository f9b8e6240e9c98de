"""The profiles: what a cluster's must repeat, and what an example in it becomes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

PROJECT = Path(__file__).parents[1]
DEFAULT, SLURM, *EXAMPLES = (
    PROJECT / "profiles" / name / "config.yaml" for name in ("default", "slurm", "one-gpu-node", "shared-cluster")
)


def settings(text: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text)
    return found


@pytest.mark.parametrize("profile", [SLURM, *EXAMPLES], ids=lambda path: path.parent.name)
def test_a_profile_repeats_the_default_one(profile: Path) -> None:
    # An explicit --workflow-profile replaces the default one.
    default, other = settings(DEFAULT.read_text()), settings(profile.read_text())
    assert {name: other[name] for name in default} == default


def test_all_profiles_are_in_one_place() -> None:
    found = {path for path in PROJECT.glob("*/**/config.yaml") if "profiles" in path.relative_to(PROJECT).parts}
    assert found == {DEFAULT, SLURM, *EXAMPLES}


def test_the_examples_can_be_switched_on() -> None:
    text = re.sub(r"^# ( *[\w-]+:(?: |$))", r"\1", SLURM.read_text(), flags=re.MULTILINE)
    found = settings(text)
    assert found["default-resources"] == {"slurm_partition": "gpu", "slurm_account": "project"}
    assert found["set-resources"]["train"] == {
        "gpu": 0,
        "gres": "gpu:1",
        "runtime": "240 * attempt",
        "mem_mb": "8000 * attempt",
    }
