"""What is said of an experiment: every sentence follows from the runs, and says how sure it is."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from slotpipeline.analysis.cell_results import CellResult, identities_of
from slotpipeline.experiments.finetuning import Finetuned
from slotpipeline.experiments.inside_a_network import SharedValues
from slotpipeline.experiments.many_options import LearningRate
from slotpipeline.experiments.outcomes import comparisons, experiment_results, findings, measures
from slotpipeline.experiments.random_starts import PositiveShare
from slotpipeline.experiments.registry import EXPERIMENTS
from slotpipeline.reporting.tables import readable
from slotpipeline.results.read import Results
from synthetic import make_config, make_results

RESULTS = make_results()
RUNS = RESULTS.runs
EMPTY = replace(RESULTS, runs=RUNS.iloc[:0])


def said(results: Results, experiment: str) -> list[str]:
    """What was found, as one sentence per network."""
    found = experiment_results(results, experiment)
    return [
        f"{network}: {'; '.join(statements)}."
        for network, statements in findings(results, experiment, found, measures(results, experiment, found))
    ]


def with_runs(runs: pd.DataFrame) -> Results:
    return replace(RESULTS, runs=runs)


def cell(experiment: str, network: str, **wanted: object) -> CellResult:
    """The one cell of an experiment that fits; without `variant`, a plain one."""
    wanted = {"network": network, "variant": None} | wanted
    found = experiment_results(RESULTS, experiment)
    (one,) = (one for one in found if all(getattr(one.cell, name) == value for name, value in wanted.items()))
    return one


def test_what_was_run_is_said_where_there_is_nothing_to_compare_it_with() -> None:
    results = with_runs(RUNS[(RUNS["method"] == "random") | (RUNS["options"] == 8)])
    guessed = cell("random-vs-selected", "conv2", method="random").mean
    for name, start in {
        "random-vs-selected": f"untrained random weights reach {guessed:.2f}% (n = 3).",
        "k-sweep": "mean test accuracy: ",
    }.items():
        sentence = next(text for text in said(results, name) if text.startswith("Conv-2"))
        assert sentence.startswith(f"Conv-2 on CIFAR-10: {start}")
    assert "% (n = 3) at K = 8" in sentence


def test_without_any_run_nothing_is_said() -> None:
    for name in EXPERIMENTS:
        assert all("not enough runs" in sentence for sentence in said(EMPTY, name))


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_says_what_was_found_for_each_network(experiment: str) -> None:
    lenet, conv2 = said(RESULTS, experiment)
    assert lenet.startswith("LeNet on MNIST: ") and conv2.startswith("Conv-2 on CIFAR-10: ")
    for sentence in (lenet, conv2):
        assert "nan" not in sentence and "None" not in sentence and "<NA>" not in sentence
    assert "not enough runs" not in lenet
    one = make_config({"lenet": "mnist"}, seeds=1)
    (single,) = said(make_results(one), experiment)
    assert "nan" not in single and "not enough runs" not in single
    assert "beyond chance" not in single or "no single change" in single or "0 of" in single


def test_findings_are_computed_from_the_table() -> None:
    mean = cell("finetune", "lenet", variant=Finetuned(75)).mean
    lenet, _ = said(RESULTS, "finetune")
    assert f"finetuned from K = 8 after 75 of 110 epochs it reaches {mean:.2f}% (n = 3)" in lenet
    assert "above 110 epochs of training from scratch" in lenet
    finetuned = (RUNS["variant"] == "finetuned").astype(float)
    worse = with_runs(RUNS.assign(test_accuracy=RUNS["test_accuracy"] - 50 * finetuned))
    lenet, _ = said(worse, "finetune")
    assert "below 110 epochs of training from scratch" in lenet


def test_cells_are_compared_seed_by_seed() -> None:
    lenet, _ = said(RESULTS, "finetune")
    assert lenet.count("paired over 3 seeds") == 2
    some = with_runs(RUNS[(RUNS["method"] != "learned") | (RUNS["seed"] > 0)])
    lenet, _ = said(some, "finetune")
    assert (lenet.count("paired over 3 seeds"), lenet.count("paired over 2 seeds")) == (1, 1)


def test_a_difference_says_whether_it_is_significant() -> None:
    level = RUNS["test_accuracy"].where(RUNS["method"] != "greedy", 97.9 + 0.3 * (RUNS["seed"] - 1))
    same = with_runs(RUNS.assign(test_accuracy=level))
    assert "; open with 3 seeds: not significant after correction for" in said(same, "k-sweep")[0]
    assert "; significant after" in said(RESULTS, "k-sweep")[0].split("K = 2 ends")[1].split("K = 64 ends")[0]


def test_few_seeds_never_say_that_two_cells_are_alike() -> None:
    def of(seeds: int) -> str:
        results = make_results(make_config({"lenet": "mnist"}, seeds, ["recipe-study", "k-sweep"]))
        runs = results.runs.assign(
            test_accuracy=98 + 0.1 * (results.runs["seed"] % 3) + 0.03 * (results.runs.index % 7)
        )
        changed = replace(results, runs=runs)
        return said(changed, "k-sweep")[0] + said(changed, "recipe-study")[0]

    assert "; not significant" not in of(3) and "others are open, with fewer than 5 seeds" in of(3)
    assert "open" not in of(5) and "; not significant" in of(5)


def test_collapsed_seeds_are_shown_one_by_one() -> None:
    shared = cell("sharing", "lenet", options=2, variant=SharedValues("layer")).identities
    low = RUNS["identity"].isin(shared[:2])
    collapsed = with_runs(RUNS.assign(test_accuracy=RUNS["test_accuracy"].mask(low, 9.8)))
    lenet, _ = said(collapsed, "sharing")
    assert "K = 2, one set per layer: collapsed 2 of 3 (9.80, 9.80, 9" in lenet
    found = experiment_results(collapsed, "sharing")
    (one,) = (one for one in found if one.identities == shared)
    assert one.interval is None and readable([one]).iloc[0]["95% interval"] == "collapsed 2 of 3"
    (pair,) = (one for one in comparisons("sharing", found) if one.first.identities == shared)
    assert (pair.difference.interval, pair.difference.p_value, pair.corrected) == (None, None, None)


def test_a_k_picked_by_its_result_is_not_compared() -> None:
    _, conv2 = said(RESULTS, "k-sweep")  # has no run of K = 64
    assert "the highest mean is that of K = 8" in conv2
    assert "K = 2 ends" in conv2
    high = RUNS["test_accuracy"].where((RUNS["network"] != "conv2") | (RUNS["options"] != 4).fillna(True), 99.0)
    results = with_runs(RUNS.assign(test_accuracy=high))
    _, conv2 = said(results, "k-sweep")
    assert "the highest mean is that of K = 4, 99.00% (n = 1), picked after the runs" in conv2
    assert "K = 4 ends" not in conv2
    assert "K = 8 ends" in conv2


def test_the_learning_rate_of_large_k_is_picked_on_validation() -> None:
    other = cell("large-k", "lenet", options=1024, variant=LearningRate(0.05))
    fast = RUNS["identity"].isin(other.identities)
    results = with_runs(
        RUNS.assign(val_accuracy=RUNS["val_accuracy"] + fast, test_accuracy=RUNS["test_accuracy"] - fast)
    )
    lenet, _ = said(results, "large-k")
    assert f"K = 1024, learning rate 0.05 ({other.mean - 1:.2f}% (n = 3)), ends" in lenet
    assert "K = 1024 at learning rate 0.05, best on validation, ends" in lenet


def test_networks_in_which_no_score_moves_are_told_apart_from_those_that_learn() -> None:
    assert "not one connection" not in said(RESULTS, "signs")[0]
    silent = cell("signs", "lenet", variant=PositiveShare(0.1)).identities
    moved = RESULTS.curves["altered_share"].mask(RESULTS.curves["identity"].isin(silent), 0.0)
    results = replace(RESULTS, curves=RESULTS.curves.assign(altered_share=moved))
    lenet, conv2 = said(results, "signs")
    assert "not one connection is altered at P(+) = 0.1: " in lenet
    assert "not one connection" not in conv2


def test_what_was_not_recorded_is_said_to_be_missing_and_never_taken_from_another_column() -> None:
    pruned = cell("connections-changed", "lenet", method="min_pruning").identities
    best = RESULTS.runs.set_index("identity")["best_epoch"]
    curves = RESULTS.curves
    unknown = curves["identity"].isin(pruned) & (curves["epoch"] == curves["identity"].map(best))
    early = curves["epoch"] <= 10
    results = replace(
        RESULTS,
        curves=curves.assign(
            altered_share=curves["altered_share"].mask(unknown), changed_share=curves["changed_share"].mask(early)
        ),
    )
    lenet, _ = said(results, "connections-changed")
    assert "with a share of altered connections that was not recorded; 90% of the learned accuracy with " in lenet
    assert "greedy, K = 2: how many connections change was not recorded (n = 3)" in said(results, "churn")[0]
    assert "the altered connections of minimal pruning were not recorded" in said(results, "bits")[0]


def test_layers_are_named_in_the_order_of_their_own_network() -> None:
    lenet = identities_of(one for one in experiment_results(RESULTS, "selected-weights") if one.network == "lenet")
    deeper = RESULTS.selected[~RESULTS.selected["identity"].isin(lenet)].assign(layer="earlier.weight")
    _, conv2 = said(replace(RESULTS, selected=pd.concat([deeper, RESULTS.selected])), "selected-weights")
    assert conv2.index("earlier.weight") < conv2.index("first.weight") < conv2.index("last.weight")
