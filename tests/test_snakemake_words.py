"""The words of a call of Snakemake, which it would misunderstand silently."""

from __future__ import annotations

from pathlib import Path

import pytest

from slotmachines.errors import UserError
from workflow.support.command_line import require_profile, require_spelt_experiments

PROJECT = Path(__file__).parents[1]
EXPERIMENTS, RULES = ("k-sweep", "finetune", "churn"), ("all", "train", "report", "fetch")


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--workflow-profile", "profiles/slurm"),
        ("--workflow-profile", "slurm"),
        ("--workflow-profile=profiles/slurm/config.yaml",),
        ("--workflow-profile", "none"),
        ("-n", "--workflow-pro", "slurm", "--cores", "1"),
    ],
)
def test_a_profile_that_is_there_is_taken(words: tuple[str, ...], tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(PROJECT)
    require_profile(words, PROJECT)


@pytest.mark.parametrize(
    "words",
    [("--workflow-profile", "profiles/slrm"), ("--workflow-profile=slrm", "-n"), ("-n", "--workflow-prof", "slrm")],
)
def test_a_misspelt_profile_is_refused_and_the_near_one_named(words: tuple[str, ...]) -> None:
    with pytest.raises(UserError, match=r"there is no profile .*slrm; .*did you mean slurm"):
        require_profile(words, PROJECT)


@pytest.mark.parametrize(
    "words",
    [
        ("k-sweep", "churn", "-n"),
        ("--cores", "all", "results/paper/report.html"),
        ("--executor", "slurm", "--config", "runs_per_job=8", "--rerun-triggers", "mtime", "params"),
        ("--allowed-rules", "train", "report"),
        ("--jobs", "100", "nonsense"),  # what it says of this is clear
    ],
)
def test_other_words_are_left_to_snakemake(words: tuple[str, ...]) -> None:
    require_spelt_experiments(words, EXPERIMENTS, RULES)


def test_a_misspelt_experiment_is_refused_and_the_near_one_named() -> None:
    with pytest.raises(UserError, match="no experiment k-swep; did you mean k-sweep"):
        require_spelt_experiments(["--cores", "all", "k-swep"], EXPERIMENTS, RULES)
