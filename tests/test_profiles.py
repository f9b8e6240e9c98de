"""The profiles: what a cluster's must repeat, and what an example in it becomes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).parents[1]
DEFAULT, SLURM = PROJECT / "profiles/default/config.yaml", PROJECT / "workflow/profiles/slurm/config.yaml"


def settings(text: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def test_the_profile_of_a_cluster_repeats_the_default_one() -> None:
    # An explicit --workflow-profile replaces the default one.
    default, slurm = settings(DEFAULT.read_text()), settings(SLURM.read_text())
    assert {name: slurm[name] for name in default} == default


def test_the_examples_can_be_switched_on() -> None:
    text = SLURM.read_text().replace("    gpu: 1", "    # gpu: 1")
    text = re.sub(r"^    # (\w+: )", r"    \1", text, flags=re.MULTILINE)
    assert settings(text)["set-resources"]["train"] == {
        "gpu": 1,
        "gres": "gpu:1",
        "slurm_partition": "gpu",
        "slurm_account": "project",
        "runtime": "240 * attempt",
        "mem_mb": "8000 * attempt",
    }
