"""The words of a call of Snakemake, which it would misunderstand silently."""

from __future__ import annotations

from pathlib import Path

import pytest

from slotmachines.errors import UserError
from workflow.support.command_line import config_of_profile, require_profile, require_spelt_experiments

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
    ("words", "expected"),
    [
        ((), {}),
        (("--workflow-profile", "none"), {}),
        (("--workflow-profile", "profiles/one-gpu-node", "--config", "seeds=[0]"), {"runs_per_job": 4}),
        (("--workflow-prof=shared-cluster",), {"runs_per_job": 8}),
        (("--workflow-profile=profiles/one-gpu-node/config.yaml",), {"runs_per_job": 4}),
    ],
)
def test_the_config_of_a_profile_is_found(
    words: tuple[str, ...], expected: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(PROJECT)
    assert config_of_profile(words, PROJECT) == expected


def test_the_config_of_a_profile_is_a_list_or_a_mapping_as_snakemake_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    profile = tmp_path / "profiles/default/config.yaml"
    profile.parent.mkdir(parents=True)
    for text in ("config: {runs_per_job: 2, without_gpu: lenet}", "config: [runs_per_job=2, without_gpu=lenet]"):
        profile.write_text(text)
        assert config_of_profile(["-n"], tmp_path) == {"runs_per_job": 2, "without_gpu": "lenet"}


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
