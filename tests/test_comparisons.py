"""Which cells are compared with which: like with like, seed by seed, corrected for how many there are."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pandas as pd
import pytest

from slotmachines.methods import METHODS, RIVALS
from slotpipeline.analysis.comparisons import Comparison, label
from slotpipeline.analysis.statistics import compare_means, holm
from slotpipeline.analysis.text import p_text
from slotpipeline.experiments.experiment import Experiment
from slotpipeline.experiments.outcomes import comparisons, experiment_results
from slotpipeline.experiments.recipe_comparison import base_of, factors_of
from slotpipeline.experiments.registry import EXPERIMENTS
from slotpipeline.reporting.table_files import markdown_page
from slotpipeline.reporting.tables import COMPARISON_NOTE, readable_comparisons
from slotpipeline.results.read import Results
from synthetic import make_config, make_results, make_runs

RESULTS = make_results()
NOTHING = next(one.default for one in fields(Experiment) if one.name == "pairs")
PAIRED = {name for name, experiment in EXPERIMENTS.items() if experiment.pairs is not NOTHING}


def compared(experiment: str, results: Results = RESULTS, network: str = "lenet") -> list[Comparison]:
    found = comparisons(experiment, experiment_results(results, experiment))
    return [one for one in found if one.first.network == network]


def names(found: list[Comparison]) -> list[tuple[str, str]]:
    return [(label(one.first), label(one.second)) for one in found]


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_cells_of_one_network_are_compared_and_the_correction_is_over_the_whole_table(experiment: str) -> None:
    found = comparisons(experiment, experiment_results(RESULTS, experiment))
    assert bool(found) == (experiment in PAIRED)
    for one in found:
        assert (one.first.network, one.first.dataset) == (one.second.network, one.second.dataset)
        assert one.first.n > 0 and one.second.n > 0 and one.first is not one.second
        alone = compare_means(one.first.by_seed, one.second.by_seed)
        assert one.difference.mean == alone.mean and one.difference.pairs == alone.pairs
        assert one.pooled or one.difference == alone
    assert [one.corrected for one in found] == holm([one.difference.p_value for one in found])
    assert len(set(names([one for one in found if one.first.network == "lenet"]))) == len(compared(experiment))


@pytest.mark.parametrize(
    ("experiment", "expected"),
    [
        ("random-vs-selected", [("greedy, K = 2", "random")]),
        ("k-sweep", [(f"greedy, K = {options}", "learned") for options in (2, 4, 8, 64)]),
        ("selection", [(f"greedy, K = {options}", f"probabilistic, K = {options}") for options in (2, 4, 8, 64)]),
        (
            "finetune",
            [
                ("greedy, K = 8, finetuned after 75", "greedy, K = 8"),
                ("greedy, K = 8, finetuned after 75", "learned"),
            ],
        ),
        (
            "finetune-checkpoints",
            [(f"greedy, K = 8, finetuned after {start}", "learned") for start in (25, 50, 75, 100)],
        ),
        (
            "sharing",
            [
                (f"greedy, K = {options}, one set per {place}", f"greedy, K = {options}")
                for options in (2, 64)
                for place in ("layer", "network")
            ],
        ),
        (
            "rivals",
            [("greedy, K = 8", "learned"), *((METHODS[rival].label, "greedy, K = 8") for rival in RIVALS)],
        ),
        (
            "connections-changed",
            [
                (METHODS[rival].label, "learned, as Ivan and Florian train them")
                for rival in ("free_pruning", "min_pruning", "free_flipping", "min_flipping")
            ],
        ),
        ("signs", [(f"flipping, P(+) = {share}", "flipping, P(+) = 0.5") for share in (0.1, 1)]),
        ("initial-weights", [("pruning, binary", "pruning, kaiming-normal")]),
        (
            "large-k",
            [
                (f"greedy, K = {options}, {variant}", f"greedy, K = {options}")
                for options in (64, 1024)
                for variant in ("learning rate 0.05", "score range grows")
            ]
            # Across K: by the recipe, whose own rate is the best one here, and with the range that grows.
            + [("greedy, K = 1024", "greedy, K = 64"), ("greedy, K = 1024, score range grows", "greedy, K = 64")],
        ),
    ],
)
def test_what_is_compared(experiment: str, expected: list[tuple[str, str]]) -> None:
    assert names(compared(experiment)) == expected


def test_a_recipe_with_factors_of_the_other_is_compared_with_that_recipe_as_it_is() -> None:
    found = compared("recipe-study")
    assert len(found) == 2 * 2 * 6  # two recipes, two K; five factors and one pair of them
    for one in found:
        assert factors_of(one.first) and not factors_of(one.second)
        assert base_of(one.first) == base_of(one.second) == one.second.cell.words
        assert one.first.options == one.second.options
    assert {base_of(one.first) for one in found} == {"paper", "code"}


def vgg_like(**changes: Any) -> Results:
    """conv4, which the recipe trains longer in the usual way than as a slot machine."""
    config = make_config({"conv2": "cifar10"}, experiments=["vgg"]) | {"networks": {"conv4": "cifar10"}}
    config["settings"] = {}
    config["experiments"]["vgg"]["networks"] = ["conv4"]
    config |= changes
    return make_results(config, make_runs(config))


def test_finetuned_is_compared_at_equal_epochs_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synthetic.LEVELS", {"conv4": {"learned": 86.0, "finetuned": 86.5, 8: (85.0, 80.0)}})
    results = vgg_like()
    slot, finetuned = "greedy, K = 8", "greedy, K = 8, finetuned after 75"
    assert names(compared("vgg", results, "conv4")) == [
        (slot, "learned"), (finetuned, slot), (finetuned, "learned, 200 epochs"),
    ]  # fmt: skip
    without = results.runs[~((results.runs["method"] == "learned") & (results.runs["epochs"] == 200))]
    results = make_results(dict(results.config), without)
    assert names(compared("vgg", results, "conv4")) == [(slot, "learned"), (finetuned, slot)]


def test_cells_that_were_not_run_are_not_compared() -> None:
    assert names(compared("k-sweep", network="conv2")) == [(f"greedy, K = {k}", "learned") for k in (2, 4, 8)]
    empty = make_results(runs=RESULTS.runs.iloc[:0])
    for experiment in EXPERIMENTS:
        assert comparisons(experiment, experiment_results(empty, experiment)) == []
        assert COMPARISON_NOTE not in markdown_page(empty, experiment, experiment_results(empty, experiment))


def test_an_effect_size_takes_five_seeds() -> None:
    for seeds, is_small in ((4, True), (5, False)):
        results = make_results(make_config({"lenet": "mnist"}, seeds, ["k-sweep"]))
        found = compared("k-sweep", results)
        assert {one.is_small for one in found} == {is_small}
        assert {one.effect is None for one in found} == {is_small}
        assert (readable_comparisons(found)["effect size"] == "\N{EN DASH}").all() == is_small


def test_a_single_seed_is_shown_without_interval_and_counts_for_no_correction() -> None:
    few = next(one for one in compared("k-sweep", network="conv2") if one.first.options == 4)
    assert (few.difference.interval, few.difference.p_value, few.corrected) == (None, None, None)
    row = readable_comparisons([few]).iloc[0]
    assert row["pairs"] == "not paired"
    assert list(row[["95% interval", "effect size", "p", "p, corrected"]]) == ["\N{EN DASH}"] * 4
    known = [one for one in comparisons("k-sweep", experiment_results(RESULTS, "k-sweep")) if one.corrected is not None]
    assert [one.corrected for one in known] == holm([one.difference.p_value for one in known])


def test_seeds_that_differ_are_not_paired() -> None:
    runs = RESULTS.runs
    config = make_config(seeds=5)
    more = make_runs(config)
    other = more[(more["method"] != "learned") == (more["seed"] < 2)]  # greedy: seeds 0, 1; learned: 2, 3, 4
    found = compared("k-sweep", make_results(config, other))
    assert {one.difference.pairs for one in found} == {0} and len(found) == 4
    assert {one.difference.pairs for one in compared("k-sweep", make_results(runs=runs))} == {3}


def test_the_table_of_comparisons_for_readers() -> None:
    text = markdown_page(RESULTS, "selection", experiment_results(RESULTS, "selection"))
    assert COMPARISON_NOTE in text
    first = compared("selection")[0]
    row = readable_comparisons([first]).iloc[0]
    assert (row["network"], row["dataset"], row["pairs"]) == ("LeNet", "MNIST", "3")
    assert float(row["difference"].replace("\N{MINUS SIGN}", "-")) == pytest.approx(first.difference.mean, abs=0.005)
    assert row["95% interval"] in text and " to " in row["95% interval"]
    assert isinstance(readable_comparisons([]), pd.DataFrame)


@pytest.mark.parametrize(
    ("p", "text"), [(None, "\N{EN DASH}"), (0.00001, "< 0.001"), (0.0234, "0.023"), (1.0, "1.000")]
)
def test_p_values_for_readers(p: float | None, text: str) -> None:
    assert p_text(p) == text
