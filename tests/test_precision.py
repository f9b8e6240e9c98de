"""What float32 changes is measured against K float64 scores: how selections are compared, and that the twins agree."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from benchmarks.precision_table import precision_text
from slotpipeline.data import load

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "run_precision.py"


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(SCRIPT))


@pytest.fixture(scope="module")
def digits(digits_folder: Path) -> Any:
    return load("digits", digits_folder, (1, 28, 28), 1400)


def test_disagreement_is_the_share_of_other_options_and_what_the_worst_of_them_misses(script: dict[str, Any]) -> None:
    scores = {
        "a.weight": torch.tensor([[[1.0, 3.0, -4.0], [2.0, 2.0, 0.0]]]),  # one output, two inputs, three options
        "b.weight": torch.tensor([[[0.5, 0.25, 0.0]], [[0.0, 0.0, 0.0]]]),
    }
    best = {"a.weight": torch.tensor([[1, 0]]), "b.weight": torch.tensor([[0], [0]])}
    assert script["disagreement"](best, scores) == (0, 0)
    tied = {**best, "a.weight": torch.tensor([[1, 1]])}
    assert script["disagreement"](tied, scores) == (0.25, 0)  # as good, but not the first
    wrong = {"a.weight": torch.tensor([[0, 0]]), "b.weight": torch.tensor([[1], [0]])}
    assert script["disagreement"](wrong, scores) == (0.5, 0.5)  # (3 - 1) / 4 and (0.5 - 0.25) / 0.5


def test_one_number_and_k_scores_follow_the_same_gradients_alike(script: dict[str, Any]) -> None:
    run = script["short_run"](2, 0, 1, "digits")
    one, many = (
        script["Follower"](script["starting_lenet"](run, dense=dense).double(), run) for dense in (False, True)
    )
    start = script["selected_options"](one.network)
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        gradients = {name: torch.randn(options.shape, generator=generator) for name, options in start.items()}
        for follower in (one, many):
            follower.step(gradients, 0.1)
    scores = script["dense_scores"](many.network)
    assert script["disagreement"](script["selected_options"](one.network), scores) == (0, 0)
    assert script["disagreement"](start, scores)[0] > 0.1


def test_float32_selects_nearly_as_float64(script: dict[str, Any], digits: Any) -> None:
    rows = pd.DataFrame(script["compare_selections"](script["short_run"](2, 1, 2, "digits"), digits, every=1))
    assert set(rows["compared_steps"]) == {1} and set(rows["epoch"]) == {1, 2} and len(rows) == 6
    rows = rows.groupby("formulation")[["max_share", "largest_gap"]].max()
    assert tuple(rows.loc["one float64 number"]) == (0, 0)
    assert (rows["max_share"] < 1e-3).all() and (rows["largest_gap"] < 1e-5).all()


def test_the_script_writes_both_tables(
    script: dict[str, Any], digits: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [script["short_run"](2, seed, 1, "digits") for seed in (0, 1)]
    rows = script["accuracies"](runs, digits)
    script["write"](rows, script["provenance"](torch.device("cpu")), tmp_path / "accuracy.csv")
    table = pd.read_csv(tmp_path / "accuracy.csv")
    assert list(table["seed"]) == [0, 1] and set(table["dataset"]) == {"digits"} and "commit" in table
    assert table["mean_difference"][0] == pytest.approx((table["one_number"] - table["k_scores"]).mean())
    # Two seeds with equal differences, as here, give no interval.
    spread = (table["one_number"] - table["k_scores"]).round(9).nunique() > 1
    assert (table["low"] <= table["mean_difference"]).eq(spread).all()
    assert (table["mean_difference"] <= table["high"]).eq(spread).all()
    monkeypatch.setattr(sys, "argv", ["precision", *(str(tmp_path / n) for n in "ab"), "--data", str(tmp_path / "no")])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    assert ended.value.code == 2


def test_the_page_shows_how_often_float32_selects_another_option() -> None:
    place = {"options": 8, "compared_every": 10, "commit": "0123456789"}
    selections = pd.DataFrame(
        {
            **place,
            "formulation": name,
            "compared_steps": steps,
            "mean_share": share,
            "max_share": 2 * share,
            "largest_gap": 3e-7,
        }
        for name, steps, share in (("one", 10, 1e-6), ("one", 30, 5e-6), ("K scores", 40, 7e-5))
    )
    whole = {"options": 8, "epochs": 3, "mean_difference": 0.0124, "low": 0.001, "high": 0.075, "commit": "fedcba9876"}
    accuracy = pd.DataFrame(
        [{**whole, "one_number": 96.0, "k_scores": 96.5}, {**whole, "one_number": 97.0, "k_scores": 96.5}]
    )
    text = precision_text(selections, accuracy)
    assert "| 4.0e-06      | 1.0e-05         | 3e-07         |" in text  # the mean weighted by steps
    assert "2 seeds of 3 epochs at K = 8: test accuracy 96.50% with one number" in text
    assert "+0.012 points (95% t-interval +0.001 to +0.075)" in text
    assert "Measured at commit 0123456, fedcba9." in text
